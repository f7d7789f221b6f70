package transport_test

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/activation"
	"github.com/mallee-io/mallee/internal/transport"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/wire"
	"github.com/mallee-io/mallee/wire/koala"
)

// Frames as Python hosts write them, from the specification of their protocol.
const (
	heartbeatFrame = "4b4f4c41300000000000000010526571756573744865617274426561747b226d696c6c695f7365636f6e6473223a313635303030303030303132337d"
	requestFrame   = "4b4f4c41800000001b0000000a527063526571756573747b22736572766963655f6e616d65223a2249506c61796572222c226d6574686f645f6e616d65223a226563686f222c226163746f725f6964223a2231222c227265656e7472616e745f6964223a312c22726571756573745f6964223a313030303030303030312c227365727665725f6964223a307d308005950f000000000000008c0568656c6c6f9485947d9486942e"
	responseFrame  = "4b4f4c4143000000150000000b527063526573706f6e73657b22726571756573745f6964223a313030303030303030312c226572726f725f636f6465223a302c226572726f725f737472223a22227d3080059509000000000000008c0568656c6c6f942e"
	movedFrame     = "4b4f4c4157000000030000000b527063526573706f6e73657b22726571756573745f6964223a313030303030303030312c226572726f725f636f6465223a31303030362c226572726f725f737472223a22706f736974696f6e206368616e676564227d304e2e"
	helloArgs      = "308005950f000000000000008c0568656c6c6f9485947d9486942e"
	helloResult    = "3080059509000000000000008c0568656c6c6f942e"
)

func raw(t testing.TB, digits string) []byte {
	t.Helper()
	b, err := hex.DecodeString(digits)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// pythonHost is one end of a connection, by bytes.
type pythonHost struct {
	net.Conn
	t testing.TB
}

func (p *pythonHost) write(b []byte) {
	p.t.Helper()
	if _, err := p.Write(b); err != nil {
		p.t.Fatal(err)
	}
}

func (p *pythonHost) send(m koala.Message, body []byte) {
	p.t.Helper()
	frame, err := koala.Append(nil, m, body)
	if err != nil {
		p.t.Fatal(err)
	}
	p.write(frame)
}

// frame reads the next frame, byte for byte.
func (p *pythonHost) frame() []byte {
	p.t.Helper()
	header := make([]byte, wire.FrameHeader)
	if _, err := io.ReadFull(p, header); err != nil {
		p.t.Fatalf("no frame: %v", err)
	}
	rest := make([]byte, binary.LittleEndian.Uint32(header[4:])+binary.LittleEndian.Uint32(header[8:]))
	if _, err := io.ReadFull(p, rest); err != nil {
		p.t.Fatal(err)
	}
	return append(header, rest...)
}

func (p *pythonHost) read() (koala.Message, []byte) {
	p.t.Helper()
	meta, body, _, _, err := wire.ParseFrame(p.frame())
	if err != nil {
		p.t.Fatal(err)
	}
	m, err := koala.Parse(meta)
	if err != nil {
		p.t.Fatal(err)
	}
	return m, body
}

// after skips heartbeats of the node.
func after[T koala.Message](p *pythonHost) (T, []byte) {
	p.t.Helper()
	for {
		m, body := p.read()
		if want, ok := m.(T); ok {
			return want, body
		}
		if _, ok := m.(*koala.RequestHeartBeat); !ok {
			p.t.Fatalf("got %+v", m)
		}
	}
}

func (p *pythonHost) ended() {
	p.t.Helper()
	if _, err := io.Copy(io.Discard, p); errors.Is(err, context.DeadlineExceeded) {
		p.t.Error("the connection stays open")
	}
}

// hosts are the foreign members of a test. Dials get one end of a pipe, and the
// test the other.
type hosts struct {
	dialled chan net.Conn
	mu      sync.Mutex
	members []placement.Member
	err     error // of dials
}

func newHosts() *hosts {
	return &hosts{dialled: make(chan net.Conn, 16), members: []placement.Member{{ID: 2}, {ID: 77, Foreign: true, Addr: "127.0.0.1:15001"}}}
}

func (h *hosts) list(context.Context) ([]placement.Member, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.members, nil
}

func (h *hosts) set(err error, members ...placement.Member) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err, h.members = err, members
}

func (h *hosts) dial(_ context.Context, addr string) (net.Conn, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil {
		return nil, h.err
	}
	if addr != "127.0.0.1:15001" {
		return nil, errors.New("unexpected address " + addr)
	}
	ours, theirs := net.Pipe()
	h.dialled <- theirs
	return ours, nil
}

const nodeID placement.NodeID = 1

// talker is a node on a network to Koala hosts.
type talker struct {
	*recorder
	koala *transport.Koala
	hosts *hosts
}

func newTalker(t testing.TB, config transport.KoalaConfig) *talker {
	t.Helper()
	return startTalker(t, config, newHosts(), func(r *recorder) transport.Handler { return r })
}

// startTalker starts a node whose end of the network is what of makes.
func startTalker(t testing.TB, config transport.KoalaConfig, h *hosts, of func(*recorder) transport.Handler) *talker {
	t.Helper()
	config.Members, config.Dial = h.list, h.dial
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	k, err := transport.NewKoala(config)
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{Network: k, t: t, id: nodeID, got: make(chan received, 64), lost: make(chan placement.NodeID, 64)}
	k.Attach(nodeID, of(r))
	t.Cleanup(func() { k.Detach(nodeID) })
	return &talker{r, k, h}
}

// accepts is a connection that a host has dialled.
func (n *talker) accepts() *pythonHost {
	n.t.Helper()
	ours, theirs := net.Pipe()
	if err := n.koala.Accept(ours); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { _ = theirs.Close() })
	return &pythonHost{theirs, n.t}
}

// dials waits for the node's connection to the host.
func (n *talker) dials() *pythonHost {
	n.t.Helper()
	p := &pythonHost{next(n.t, n.hosts.dialled, "dial"), n.t}
	n.t.Cleanup(func() { _ = p.Close() })
	return p
}

// ask sends a request to the host.
func (n *talker) ask(m *transport.Message) error {
	m.Encoding = transport.Pickle
	return n.Send(nodeID, 77, m)
}

func echoRequest(call uint64) *transport.Message {
	return &transport.Message{
		Kind: transport.Request, Call: call, Actor: mallee.ID{Type: "IPlayer", Key: "1"}, Interface: "IPlayer", Method: "echo",
		Timeout: patience, Encoding: transport.Pickle,
	}
}

// Frames that a Python host would write, and the answers to them, byte for byte.
func TestKoalaFramesFromAHost(t *testing.T) {
	t.Parallel()
	n := newTalker(t, transport.KoalaConfig{})
	p := n.accepts()
	p.write(raw(t, heartbeatFrame))
	if m, body := p.read(); m.(*koala.ResponseHeartBeat).MilliSeconds != 1650000000123 || len(body) != 0 {
		t.Errorf("heartbeat answered by %+v", m)
	}
	p.send(&koala.RequestHeartBeat{MilliSeconds: 5}, []byte("junk"))
	if m, _ := p.read(); m.(*koala.ResponseHeartBeat).MilliSeconds != 5 {
		t.Errorf("heartbeat answered by %+v", m)
	}
	for want, answer := range map[string]*transport.Message{
		responseFrame: {Kind: transport.Reply, Body: raw(t, helloResult), Encoding: transport.Pickle},
		movedFrame:    {Kind: transport.Reply, Owner: placement.Grant{Node: 5, Epoch: 1}},
	} {
		go p.write(append(raw(t, requestFrame), raw(t, heartbeatFrame)...)) // two frames at once
		m := next(t, n.got, "request")
		if m.Kind != transport.Request || m.Actor != (mallee.ID{Type: "IPlayer", Key: "1"}) || m.Interface != "IPlayer" || m.Method != "echo" ||
			m.Encoding != transport.Pickle || hex.EncodeToString(m.Body) != helloArgs || m.Timeout != 5*time.Second || m.Call == 0 || m.Nested() {
			t.Errorf("got %+v", m.Message)
		}
		p.read() // the heartbeat's answer
		answer.Call = m.Call
		if err := n.send(m.from, answer); err != nil {
			t.Error(err)
		}
		if got := hex.EncodeToString(p.frame()); got != want {
			t.Errorf("answered\n%s instead of\n%s", got, want)
		}
	}
}

func TestKoalaAnswersEveryRequest(t *testing.T) {
	t.Parallel()
	n := newTalker(t, transport.KoalaConfig{Calls: 2})
	p := n.accepts()
	call := &koala.RPCRequest{ServiceName: "T", MethodName: "m", ActorID: "1", IntegerID: true, RequestID: 1, ServerID: 4}
	ask := func(service, method, id string) {
		p.send(&koala.RPCRequest{ServiceName: service, MethodName: method, ActorID: id, RequestID: 7}, []byte(helloArgs))
	}
	expect := func(id int64, code koala.Code, text string) {
		t.Helper()
		m, body := after[*koala.RPCResponse](p)
		if m.RequestID != id || m.ErrorCode != code || !strings.Contains(m.ErrorStr, text) || string(body) != koala.FailureBody {
			t.Errorf("answered %+v with %q, want code %d, %q", m, body, code, text)
		}
	}
	ask("IHotFix", "patch_code", "1")
	expect(7, koala.InterfaceInvalid, "interface invalid")
	ask("T", "__init__", "1")
	expect(7, koala.MethodNotFound, "private")
	ask("T", "m", "")
	expect(7, koala.EntityNotFound, "empty key")

	p.send(call, nil) // with an integer for a key, and of another server
	first := next(t, n.got, "request")
	if first.Actor.Key != "1" || first.Chain != nil {
		t.Errorf("got %+v", first.Message)
	}
	p.send(call, nil) // twice the same id
	second := next(t, n.got, "request")
	p.send(call, nil)
	expect(1, koala.UnknownException, "2 calls of this connection wait")
	for _, answer := range []*transport.Message{
		{Call: first.Call, Error: mallee.ErrActivation.Errorf("no disk")},
		{Call: second.Call, Body: make([]byte, wire.MaxFrameBody+1)},
	} {
		answer.Kind = transport.Reply
		if err := n.send(first.from, answer); err != nil {
			t.Error(err)
		}
	}
	expect(1, koala.EntityNotFound, "activation: no disk")
	expect(1, koala.UnknownException, "bytes")
	if err := n.send(first.from, &transport.Message{Kind: transport.Reply, Call: first.Call}); err == nil {
		t.Error("a second answer is sent")
	}
	n.Close(nodeID)
	p.send(call, nil)
	expect(1, koala.UnknownException, "is stopping")
}

// What a node sends to a host: a heartbeat, then a request that is, but for its
// ids, byte for byte what Python writes.
func TestKoalaCallToAHost(t *testing.T) {
	t.Parallel()
	n := newTalker(t, transport.KoalaConfig{})
	request := echoRequest(5)
	request.Body = raw(t, helloArgs)
	if err := n.ask(request); err != nil {
		t.Fatal(err)
	}
	p := n.dials()
	if m, _ := p.read(); m.TypeName() != "RequestHeartBeat" {
		t.Errorf("the first frame is %+v", m)
	}
	r, body := after[*koala.RPCRequest](p)
	if hex.EncodeToString(body) != helloArgs || r.ServerID != 0 || r.ReentrantID <= 0 || r.RequestID <= 1<<53 || r.IntegerID {
		t.Errorf("request %+v with %x", r, body)
	}
	sent, err := koala.Append(nil, &koala.RPCRequest{ServiceName: r.ServiceName, MethodName: r.MethodName, ActorID: r.ActorID, ReentrantID: 1, RequestID: 1000000001}, body)
	if err != nil || hex.EncodeToString(sent) != requestFrame {
		t.Errorf("%x, %v", sent, err)
	}
	answer := func(code koala.Code, text, body string) *transport.Message {
		p.send(&koala.RPCResponse{RequestID: r.RequestID, ErrorCode: code, ErrorStr: text}, []byte(body))
		m := next(t, n.got, "answer")
		if m.from != 77 || m.Kind != transport.Reply || m.Call != 5 {
			t.Errorf("got %+v from %s", m.Message, m.from)
		}
		if err := n.ask(echoRequest(5)); err != nil {
			t.Error(err)
		}
		r, _ = after[*koala.RPCRequest](p)
		return m.Message
	}
	if m := answer(0, "", string(raw(t, helloResult))); hex.EncodeToString(m.Body) != helloResult || m.Error != nil || m.Encoding != transport.Pickle {
		t.Errorf("got %+v", m)
	}
	for _, c := range []struct {
		code       koala.Code
		text, body string
		sentinel   *mallee.Error
		retry      bool
		want       string
	}{
		{0, "", "", mallee.ErrUnavailable, false, "without a result"},
		{koala.PositionChanged, "position changed", "0N.", mallee.ErrUnavailable, true, "10006"},
		{koala.InterfaceInvalid, "", "0N.", mallee.ErrNotFound, true, "interface invalid"},
		{koala.MethodNotFound, "", "junk of the next frame", mallee.ErrNotFound, true, "method not found"},
		{koala.UnknownException, "Traceback (most recent call last):\n  File\nValueError: bad\n", "", &mallee.Error{Code: mallee.CodeUnknown}, false, "unknown exception: ValueError: bad"},
	} {
		m := answer(c.code, c.text, c.body)
		if m.Body != nil || !errors.Is(m.Error, c.sentinel) || mallee.SafeToRetry(m.Error) != c.retry || !strings.Contains(m.Error.Message, c.want) || strings.Contains(m.Error.Message, "\n") {
			t.Errorf("code %d: %+v", c.code, m.Error)
		}
	}
}

// Answers that nobody waits for are dropped, whatever they answer.
func TestKoalaDropsAnswersOfNobody(t *testing.T) {
	t.Parallel()
	n := newTalker(t, transport.KoalaConfig{})
	if err := n.ask(echoRequest(0)); err != nil {
		t.Fatal(err)
	}
	p := n.dials()
	oneway, _ := after[*koala.RPCRequest](p)
	if err := n.ask(echoRequest(3)); err != nil {
		t.Fatal(err)
	}
	given, _ := after[*koala.RPCRequest](p)
	if err := n.Send(nodeID, 77, &transport.Message{Kind: transport.Cancel, Call: 3}); err != nil {
		t.Error(err)
	}
	if err := n.ask(echoRequest(4)); err != nil {
		t.Fatal(err)
	}
	waits, _ := after[*koala.RPCRequest](p)
	for _, id := range []int64{oneway.RequestID, given.RequestID, -1, 0, 1, waits.RequestID} {
		p.send(&koala.RPCResponse{RequestID: id}, []byte(koala.FailureBody))
	}
	if m := next(t, n.got, "answer"); m.Call != 4 || len(n.got) != 0 {
		t.Errorf("got %+v", m.Message)
	}
}

// Calls that come back under the id of one that waits belong to its chain.
func TestKoalaChains(t *testing.T) {
	t.Parallel()
	n := newTalker(t, transport.KoalaConfig{})
	waits := []activation.Hop{{ID: mallee.ID{Type: "A", Key: "1"}, Turn: 4}, {ID: mallee.ID{Type: "B", Key: "2"}, Turn: 9}}
	request := echoRequest(1)
	request.Chain = waits
	if err := n.ask(request); err != nil {
		t.Fatal(err)
	}
	out := n.dials()
	r, _ := after[*koala.RPCRequest](out)
	in := n.accepts()
	back := func(id int64) *transport.Message {
		in.send(&koala.RPCRequest{ServiceName: "A", MethodName: "m", ActorID: "1", ReentrantID: id, RequestID: 1}, nil)
		return next(t, n.got, "request").Message
	}
	m := back(r.ReentrantID)
	if len(m.Chain) != 3 || m.Chain[1] != waits[0] || m.Chain[2] != waits[1] || !m.Nested() {
		t.Errorf("chain %+v", m.Chain)
	}

	again := echoRequest(2) // of the turn that has come back
	again.Chain = append([]activation.Hop{{ID: mallee.ID{Type: "A", Key: "1"}, Turn: 5}}, m.Chain...)
	if err := n.ask(again); err != nil {
		t.Fatal(err)
	}
	if r2, _ := after[*koala.RPCRequest](out); r2.ReentrantID != r.ReentrantID {
		t.Errorf("a chain has two ids, %d and %d", r.ReentrantID, r2.ReentrantID)
	}
	if m := back(r.ReentrantID); len(m.Chain) != 4 {
		t.Errorf("chain %+v", m.Chain)
	}
	for _, id := range []int64{42, r.ReentrantID} {
		if id != 42 { // nothing waits any more
			_ = n.Send(nodeID, 77, &transport.Message{Kind: transport.Cancel, Call: 1})
			_ = n.Send(nodeID, 77, &transport.Message{Kind: transport.Cancel, Call: 2})
		}
		if m := back(id); m.Nested() || len(m.Chain) != 1 {
			t.Errorf("chain of %d: %+v", id, m.Chain)
		}
	}

	other := echoRequest(3) // another chain has another id
	other.Chain = waits
	if err := n.ask(other); err != nil {
		t.Fatal(err)
	}
	if r3, _ := after[*koala.RPCRequest](out); r3.ReentrantID == r.ReentrantID || r3.ReentrantID <= 0 {
		t.Errorf("ids %d and %d", r.ReentrantID, r3.ReentrantID)
	}
}

func TestKoalaHeartbeats(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newTalker(t, transport.KoalaConfig{})
		begin := time.Now()
		if err := n.ask(echoRequest(1)); err != nil {
			t.Fatal(err)
		}
		out, in := n.dials(), n.accepts()
		after[*koala.RPCRequest](out)
		var beats []time.Duration
		for range 12 {
			m, _ := out.read()
			beat := m.(*koala.RequestHeartBeat)
			beats = append(beats, time.Since(begin))
			out.send(&koala.ResponseHeartBeat{MilliSeconds: beat.MilliSeconds}, nil)
		}
		for i, at := range beats {
			if want := time.Duration(i+1) * 5 * time.Second; at != want {
				t.Errorf("heartbeat %d after %v", i, at)
			}
		}
		if lost := next(t, n.lost, "loss"); lost == 77 { // which said nothing for 45 s
			t.Errorf("lost %s", lost)
		}
		in.ended()
		if len(n.lost) != 0 {
			t.Error("the host that answers is lost")
		}
	})
}

func TestKoalaSilence(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := newTalker(t, transport.KoalaConfig{})
		if err := n.ask(echoRequest(1)); err != nil {
			t.Fatal(err)
		}
		begin, p := time.Now(), n.dials()
		go func() { _, _ = io.Copy(io.Discard, p) }()
		if lost := <-n.lost; lost != 77 || time.Since(begin) < 40*time.Second || time.Since(begin) > 50*time.Second {
			t.Errorf("lost %s after %v", lost, time.Since(begin))
		}
		if err := n.ask(echoRequest(2)); err != nil { // dials anew
			t.Fatal(err)
		}
		if r, _ := after[*koala.RPCRequest](n.dials()); r.MethodName != "echo" {
			t.Errorf("got %+v", r)
		}
	})
}

// A host that does not read cannot hold more than is allowed.
func TestKoalaSlowReader(t *testing.T) {
	t.Parallel()
	n := newTalker(t, transport.KoalaConfig{Pending: 64 << 10, Calls: 1 << 20})
	body := make([]byte, 16<<10)
	var err error
	for call := uint64(1); err == nil && call < 100; call++ {
		m := echoRequest(call)
		m.Body = body
		err = n.ask(m)
	}
	if !errors.Is(err, mallee.ErrOverloaded) || !mallee.SafeToRetry(err) {
		t.Errorf("got %v", err)
	}
	full := newTalker(t, transport.KoalaConfig{Calls: 1})
	_ = full.ask(echoRequest(1))
	if err := full.ask(echoRequest(2)); !errors.Is(err, mallee.ErrOverloaded) {
		t.Errorf("got %v", err)
	}
}

func TestKoalaGarbage(t *testing.T) {
	t.Parallel()
	n := newTalker(t, transport.KoalaConfig{Conns: 1})
	for _, garbage := range []string{
		"GET / HTTP/1.1\r\n",
		"KOLA\xff\xff\xff\xff\x00\x00\x00\x00",
		"KOLA\x01\x00\x00\x00\x00\x00\x00\x00\x00",
		"KOLA\x0d\x00\x00\x00\x00\x00\x00\x00\x0aRpcRequest{]",
		"KOLA\x00\x00\x00\x00\x00\x00\x00\x00",
	} {
		p := n.accepts()
		go func() { _, _ = io.WriteString(p, garbage) }()
		p.ended()
		next(t, n.lost, "loss")
	}
	p := n.accepts()
	p.write([]byte("KOLA\x06\x00\x00\x00\x00\x00\x00\x00\x03Foo{}")) // an application's own: skipped
	p.send(&koala.RequestAccountLogin{OpenID: "x"}, []byte("{}"))
	p.write(raw(t, requestFrame))
	if m := next(t, n.got, "request"); m.Method != "echo" {
		t.Errorf("got %+v", m.Message)
	}
	ours, _ := net.Pipe()
	if err := n.koala.Accept(ours); err == nil {
		t.Error("there is no bound of connections")
	}
}

func TestKoalaUnreachable(t *testing.T) {
	t.Parallel()
	n := newTalker(t, transport.KoalaConfig{})
	expect := func(want string) {
		t.Helper()
		if err := n.ask(echoRequest(1)); !errors.Is(err, mallee.ErrUnavailable) || !mallee.SafeToRetry(err) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	n.hosts.set(errors.New("refused"), n.hosts.members...)
	expect("refused")
	expect("refused") // without another dial
	for want, member := range map[string]placement.Member{
		"literal ip:port":      {ID: 78, Foreign: true, Addr: "localhost:15001"},
		"not a member any mor": {ID: 79, Addr: "127.0.0.1:1"},
	} {
		n := newTalker(t, transport.KoalaConfig{})
		n.hosts.set(nil, member)
		m := echoRequest(1)
		if err := n.Send(nodeID, member.ID, m); !errors.Is(err, mallee.ErrUnavailable) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if err := n.Send(nodeID, 77, request(1, "")); !errors.Is(err, mallee.ErrInvalid) {
		t.Errorf("MessagePack for a host: %v", err)
	}
	if err := n.Send(nodeID, 77, &transport.Message{Kind: transport.Handoff, Encoding: transport.Pickle}); !errors.Is(err, mallee.ErrInvalid) {
		t.Errorf("an actor is handed over: %v", err)
	}
	for _, kind := range []transport.Kind{transport.Gossip, transport.Activate} { // a host does not hear of either
		if err := n.Send(nodeID, 77, &transport.Message{Kind: kind, Call: 8}); err != nil {
			t.Error(err)
		}
	}
	if m := next(t, n.got, "answer"); m.from != 77 || m.Kind != transport.Reply || m.Call != 8 || m.Error != nil {
		t.Errorf("got %+v", m.Message)
	}
	for id, want := range map[placement.NodeID]transport.Encoding{2: transport.MessagePack, 77: transport.Pickle} {
		if got, err := n.koala.Speaks(t.Context(), id, "T"); got != want || err != nil {
			t.Errorf("node %s speaks %d, %v", id, got, err)
		}
	}
	if _, err := n.koala.Speaks(t.Context(), 5, "T"); !errors.Is(err, mallee.ErrUnavailable) {
		t.Errorf("who is not there: %v", err)
	}
}

// One port for nodes and hosts.
func TestKoalaHostDialsTheClusterPort(t *testing.T) {
	t.Parallel()
	h := newHosts()
	k, err := transport.NewKoala(transport.KoalaConfig{Members: h.list, Dial: h.dial, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	f := newOverTCP(transport.TCPConfig{Foreign: k})
	r := &recorder{t: t, id: nodeID, got: make(chan received, 16), lost: make(chan placement.NodeID, 16)}
	nodes := f.network(t, nodeID)
	r.Network = transport.Router{Nodes: nodes, Hosts: k}
	r.Attach(nodeID, r)
	t.Cleanup(func() { r.Detach(nodeID) })
	f.config.Foreign = nil
	other := join(t, f, 2)

	if err := other.send(nodeID, request(1, "from a node")); err != nil {
		t.Fatal(err)
	}
	if m := next(t, r.got, "message"); m.from != 2 || m.Encoding != transport.MessagePack {
		t.Errorf("got %+v", m.Message)
	}
	_ = r.send(2, &transport.Message{Kind: transport.Reply, Call: 1})
	next(t, other.got, "answer")

	conn, err := net.Dial("tcp", nodes.(*transport.TCP).Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	p := &pythonHost{conn, t}
	for _, b := range raw(t, heartbeatFrame) {
		p.write([]byte{b})
	}
	if m, _ := p.read(); m.TypeName() != "ResponseHeartBeat" {
		t.Errorf("heartbeat answered by %+v", m)
	}
	large := make([]byte, 100<<10) // beyond what a node may send before its hello
	p.send(&koala.RPCRequest{ServiceName: "T", MethodName: "m", ActorID: "1", RequestID: 3}, large)
	m := next(t, r.got, "request")
	if len(m.Body) != len(large) || m.Encoding != transport.Pickle {
		t.Errorf("got %d bytes", len(m.Body))
	}
	if err := r.send(m.from, &transport.Message{Kind: transport.Reply, Call: m.Call, Body: large}); err != nil {
		t.Error(err)
	}
	if answer, body := after[*koala.RPCResponse](p); answer.RequestID != 3 || len(body) != len(large) {
		t.Errorf("answer %+v", answer)
	}
	for _, garbage := range []string{"GET / HTTP/1.1\r\n", "KOLA\x00\x00\x00\x00\x00\x00\x00\x00", "KOLA\x01\x00\x00\x00\x00\x00\x00\x00\x00"} {
		q := dialRaw(t, &recorder{Network: nodes})
		q.t = t
		q.bytes(garbage)
		q.ended()
	}
	r.Close(nodeID)
	gone := make(chan struct{})
	go func() {
		r.Detach(nodeID) // sends what waits, and ends
		close(gone)
	}()
	p.ended()
	_ = p.Close()
	<-gone

	refusing := join(t, newOverTCP(transport.TCPConfig{}), 3)
	q := dialRaw(t, refusing)
	q.bytes(string(raw(t, heartbeatFrame)))
	q.ended()
}

// A host says nothing before its next heartbeat, and its connection must not end
// for that: what its actors have for clients would be lost with it.
func TestKoalaHostThatIsSilentAtFirst(t *testing.T) {
	t.Parallel()
	h := newHosts()
	k, err := transport.NewKoala(transport.KoalaConfig{Members: h.list, Dial: h.dial, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	f := newOverTCP(transport.TCPConfig{Foreign: k, DialTimeout: 50 * time.Millisecond})
	r := &recorder{t: t, id: nodeID, got: make(chan received, 16), lost: make(chan placement.NodeID, 16)}
	nodes := f.network(t, nodeID)
	r.Network = transport.Router{Nodes: nodes, Hosts: k}
	r.Attach(nodeID, r)
	t.Cleanup(func() { r.Detach(nodeID) })
	conn, err := net.Dial("tcp", nodes.(*transport.TCP).Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("the connection has ended: %v", err)
	}
	_ = conn.SetDeadline(time.Now().Add(patience))
	p := &pythonHost{conn, t}
	p.write(raw(t, heartbeatFrame))
	if m, _ := p.read(); m.TypeName() != "ResponseHeartBeat" {
		t.Errorf("heartbeat answered by %+v", m)
	}
}

// Whatever a host writes, the node lives on, and the connection ends with it.
func FuzzKoalaConnection(f *testing.F) {
	for _, digits := range []string{heartbeatFrame, requestFrame, responseFrame, movedFrame, requestFrame + heartbeatFrame, responseFrame[:80]} {
		f.Add(raw(f, digits))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		n := newTalker(t, transport.KoalaConfig{})
		n.receive = func(from placement.NodeID, m *transport.Message) {
			if m.Kind == transport.Request {
				_ = n.send(from, &transport.Message{Kind: transport.Reply, Call: m.Call, Body: m.Body})
			}
		}
		p := n.accepts()
		go func() { _, _ = io.Copy(io.Discard, p) }()
		_, _ = p.Write(b)
		_ = p.Close()
		next(t, n.lost, "loss")
	})
}

// This test is not parallel, since it looks at the whole process.
func TestKoalaDetachLeavesNothing(t *testing.T) {
	for _, graceful := range []bool{false, true} {
		n := newTalker(t, transport.KoalaConfig{DialTimeout: time.Second})
		if err := n.ask(echoRequest(1)); err != nil {
			t.Fatal(err)
		}
		out, in := n.dials(), n.accepts()
		for _, p := range []*pythonHost{out, in} {
			go func() { _, _ = io.Copy(io.Discard, p) }()
		}
		n.hosts.set(errors.New("refused"), placement.Member{ID: 78, Foreign: true, Addr: "127.0.0.1:15001"})
		_ = n.Send(nodeID, 78, echoRequest(2))
		if graceful {
			n.Close(nodeID)
		}
		n.Detach(nodeID)
		if err := n.ask(echoRequest(3)); !errors.Is(err, mallee.ErrUnavailable) {
			t.Errorf("after Detach: %v", err)
		}
		ours, _ := net.Pipe()
		if err := n.koala.Accept(ours); err == nil {
			t.Error("a connection is taken after Detach")
		}
	}
	for end := time.Now().Add(patience); ; runtime.Gosched() {
		stacks := goroutines()
		if stacks == "" {
			return
		}
		if time.Now().After(end) {
			t.Fatal(stacks)
		}
	}
}
