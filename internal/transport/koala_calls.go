package transport

import (
	"errors"
	"fmt"
	"strings"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/wire"
	"github.com/mallee-io/mallee/wire/koala"
)

// request sends a call to the host.
func (c *koalaConn) request(m *Message) error {
	if len(m.Body) > wire.MaxFrameBody {
		return checkSize(nil, m.Body, m)
	}
	w := c.life.ids.leave(m.Chain)
	if err := c.wait(m.Call, w); err != nil {
		c.life.ids.back(w)
		return err
	}
	err := c.send(Request, &koala.RPCRequest{
		ServiceName: m.Interface, MethodName: m.Method, ActorID: m.Actor.Key,
		ReentrantID: w.reentrant, RequestID: c.life.ids.request(m.Call),
	}, m.Body)
	if err == nil {
		return nil
	}
	c.forget(m.Call)
	return c.unsent(err)
}

// unsent is the error of what certainly has not been sent.
func (c *koalaConn) unsent(err error) *mallee.Error {
	switch {
	case errors.Is(err, errSlow):
		return mallee.ErrOverloaded.Errorf("host %s is slow to read: more than %d bytes wait for it", c.id, c.out.limit).BeforeRun()
	case errors.Is(err, errEnding), errors.Is(err, errNotReading):
		return unavailable("send to host %s: %v", c.id, err)
	}
	return mallee.ErrInvalid.Errorf("host %s cannot be told: %v", c.id, err).BeforeRun()
}

func (c *koalaConn) wait(call uint64, w *waitingChain) error {
	if call == 0 {
		c.life.ids.back(w) // nobody waits
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.waiting == nil:
		return unavailable("the connection to host %s has ended", c.id)
	case len(c.waiting) >= c.life.config.Calls:
		return mallee.ErrOverloaded.Errorf("%d calls wait for host %s", len(c.waiting), c.id).BeforeRun()
	}
	c.waiting[call] = w
	return nil
}

// forget reports whether the call was waiting.
func (c *koalaConn) forget(call uint64) bool {
	c.mu.Lock()
	w := c.waiting[call]
	delete(c.waiting, call)
	c.mu.Unlock()
	if w != nil {
		c.life.ids.back(w)
	}
	return w != nil
}

func (c *koalaConn) forgetAll() {
	c.mu.Lock()
	waiting := c.waiting
	c.waiting, c.asked = nil, nil
	c.mu.Unlock()
	for _, w := range waiting {
		c.life.ids.back(w)
	}
}

// answers takes what the host has answered.
func (c *koalaConn) answers(r *koala.RPCResponse, body []byte) {
	call := c.life.ids.call(r.RequestID)
	if call == 0 || !c.forget(call) {
		return // late, or of a one-way call
	}
	m := &Message{Kind: Reply, Call: call, Body: body, Encoding: Pickle}
	if r.ErrorCode != 0 || len(body) == 0 {
		m.Error, m.Body = c.failure(r), nil
	}
	c.life.handler.Receive(c.id, m)
}

// failure is the error of a call that the host has refused, or could not do.
func (c *koalaConn) failure(r *koala.RPCResponse) *mallee.Error {
	text := r.ErrorStr
	if strings.Contains(strings.TrimSpace(text), "\n") { // a traceback, which says in its last line what is wrong
		c.life.config.Log.Info("a call failed on a host", "host", c.id, "traceback", text)
		lines := strings.Split(strings.TrimSpace(text), "\n")
		text = lines[len(lines)-1]
	}
	err := fmt.Errorf("host %s: %w", c.id, &koala.Error{Code: r.ErrorCode, Text: strings.TrimSpace(text)})
	switch r.ErrorCode {
	case koala.InterfaceInvalid, koala.ImplementationInvalid, koala.MethodNotFound:
		return mallee.ErrNotFound.Errorf("%v", err).BeforeRun()
	case koala.PositionChanged: // the next try looks it up again
		return unavailable("%v", err)
	case 0: // the host has lost the reason, and a method that ran may have caused it
		return mallee.ErrUnavailable.Errorf("%v", err)
	}
	return mallee.AsError(err)
}

// hotFix is the service by which a host runs whatever it is sent.
const hotFix = "IHotFix"

// asks takes a call of the host. Each is answered, by the node or here; the
// error ends the connection.
func (c *koalaConn) asks(r *koala.RPCRequest, body []byte) error {
	m, refused := c.message(r)
	if refused != nil {
		return c.refuse(r.RequestID, refused)
	}
	m.Body = body
	if m.Call = c.ask(r.RequestID); m.Call == 0 {
		return c.refuse(r.RequestID, &koala.Error{Code: koala.UnknownException, Text: fmt.Sprintf("overloaded: %d calls of this connection wait", c.life.config.Calls)})
	}
	if !c.life.receive(c.id, m) {
		return c.answer(&Message{Kind: Reply, Call: m.Call, Error: unavailable("node %s is stopping", c.life.node)})
	}
	return nil
}

// message is what the node gets of a request. The server id is not looked at: a
// node checks by itself what it owns, and hands on what it does not own, since
// a host cannot mend its own cache.
func (c *koalaConn) message(r *koala.RPCRequest) (*Message, *koala.Error) {
	m := &Message{
		Kind: Request, Actor: mallee.ID{Type: r.ServiceName, Key: r.ActorID}, Interface: r.ServiceName, Method: r.MethodName,
		Timeout: c.life.config.CallTimeout, Chain: c.life.ids.enter(r.ReentrantID), Encoding: Pickle,
	}
	switch {
	case r.ServiceName == hotFix:
		return nil, &koala.Error{Code: koala.InterfaceInvalid, Text: "interface invalid: this node does not run code that it is sent"}
	case strings.HasPrefix(r.MethodName, "_"):
		return nil, &koala.Error{Code: koala.MethodNotFound, Text: fmt.Sprintf("method not found: %.64q is private", r.MethodName)}
	}
	if c.life.named != nil {
		var refused *koala.Error
		if m.Actor.Type, m.Method, refused = c.life.named.Find(r.ServiceName, r.MethodName); refused != nil {
			return nil, refused
		}
	}
	if err := m.Actor.Validate(); err != nil {
		return nil, &koala.Error{Code: koala.EntityNotFound, Text: err.Error()}
	}
	return m, nil
}

// ask is the Message.Call of a request, or 0 where too many wait.
func (c *koalaConn) ask(request int64) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asked == nil || len(c.asked) >= c.life.config.Calls {
		return 0
	}
	c.last++
	c.asked[c.last] = request
	return c.last
}

// answer sends what the node has answered.
func (c *koalaConn) answer(m *Message) error {
	c.mu.Lock()
	request, ok := c.asked[m.Call]
	delete(c.asked, m.Call)
	c.mu.Unlock()
	switch {
	case !ok:
		return unavailable("host %s does not wait for answer %d", c.id, m.Call)
	case m.Error != nil:
		return c.refuse(request, &koala.Error{Code: codeOf(m.Error), Text: m.Error.Error()})
	case m.Owner.Node != 0:
		return c.refuse(request, &koala.Error{Code: koala.PositionChanged})
	case len(m.Body) > wire.MaxFrameBody: // what cannot be sent must still be answered
		return c.refuse(request, &koala.Error{Code: koala.UnknownException, Text: checkSize(nil, m.Body, m).Error()})
	}
	if err := c.send(Reply, &koala.RPCResponse{RequestID: request}, m.Body); err != nil {
		return unavailable("answer host %s: %v", c.id, err)
	}
	return nil
}

// refuse answers a request with an error.
func (c *koalaConn) refuse(request int64, why *koala.Error) error {
	if err := c.send(Reply, koala.Failure(request, why.Code, why.Text), []byte(koala.FailureBody)); err != nil {
		return unavailable("answer host %s: %v", c.id, err)
	}
	return nil
}

func codeOf(err *mallee.Error) koala.Code {
	if err.Code == mallee.CodeActivation {
		return koala.EntityNotFound
	}
	return koala.UnknownException
}
