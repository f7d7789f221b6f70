// Package command carries calls of proto services between nodes: a Command is
// a mallee.Call, as generated code makes one for a Go interface whose methods
// take and return one proto message. So Go code and user functions call each
// other without knowing of it.
package command

import (
	"context"
	"strings"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
	"github.com/mallee-io/mallee/wire"
)

// Payload is an encoded message and what it is. The bytes must not change.
type Payload struct {
	TypeURL string
	Value   []byte
}

// Entry is one entry of metadata. Text is a string's, otherwise the bytes'.
type Entry struct {
	Key    string
	Text   string
	Bytes  []byte
	Binary bool // the value is Bytes
}

// Metadata are entries in their order; a key may come more than once.
type Metadata []Entry

// Get is the first text under a key, whatever its case.
func (m Metadata) Get(key string) (string, bool) {
	for _, e := range m {
		if !e.Binary && strings.EqualFold(e.Key, key) {
			return e.Text, true
		}
	}
	return "", false
}

// Step is a forward or effect that has led to a command.
type Step struct {
	Service, Method string // that asked for it
	Effect          bool   // a side effect; otherwise a forward
}

// MaxSteps bounds the forwards and effects that one call may lead to, one after
// the other: a circle of them ends with an error.
const MaxSteps = 64

// Reply is an answer of a user function.
type Reply struct {
	Payload  Payload
	Metadata Metadata
}

// Command is one call of a unary method. What it asks for is set by the caller;
// Reply by the one who answers.
//
// Its arguments travel as the array [value, type URL, metadata, trail] and its
// results as [value, type URL, metadata], or [] for no reply: the first element
// is where generated code has the message, and the others are surplus for it. An
// empty type URL is the method's own.
type Command struct {
	On       *spec.Method
	Payload  Payload
	Metadata Metadata
	Trail    []Step // what has led here, the first one first
	OneWay   bool   // the caller does not wait for the answer
	Many     bool   // the caller takes all answers of a streamed method; not known to other nodes
	Reply    *Reply
}

var _ mallee.Call = (*Command)(nil)

// Interface is the full name of the service.
func (c *Command) Interface() string { return c.On.Service.Name }

// Method is the name of the rpc.
func (c *Command) Method() string { return c.On.Name }

// Flags says whether the caller waits. That turns interleave is said by an
// entity's type.
func (c *Command) Flags() mallee.CallFlags {
	if c.OneWay {
		return mallee.OneWay
	}
	return 0
}

// CopyArgs has nothing to do: nobody changes a payload.
func (*Command) CopyArgs() error { return nil }

// CopyResults has nothing to do either.
func (*Command) CopyResults() error { return nil }

// AppendArgs encodes what it asks for.
func (c *Command) AppendArgs(b []byte) ([]byte, error) {
	e := wire.NewEncoder(b)
	if e.ArrayLen(4) {
		c.Payload.append(&e, c.On.InputURL())
		c.Metadata.append(&e)
		appendTrail(&e, c.Trail)
		e.Leave()
	}
	return e.Finish()
}

// DecodeArgs is the other side of AppendArgs, and of generated code's.
func (c *Command) DecodeArgs(b []byte) error {
	d := wire.NewDecoder(b)
	n := d.ArrayLen()
	c.Payload.decode(&d, n, c.On.InputURL())
	c.Metadata = decodeMetadata(&d, n > 2)
	c.Trail = decodeTrail(&d, n > 3)
	d.Skip(n - 4)
	d.Leave()
	return d.Finish()
}

// AppendResults encodes the reply.
func (c *Command) AppendResults(b []byte) ([]byte, error) {
	e := wire.NewEncoder(b)
	if c.Reply == nil {
		if e.ArrayLen(0) {
			e.Leave()
		}
		return e.Finish()
	}
	if e.ArrayLen(3) {
		c.Reply.Payload.append(&e, c.On.OutputURL())
		c.Reply.Metadata.append(&e)
		e.Leave()
	}
	return e.Finish()
}

// DecodeResults is the other side of AppendResults, and of generated code's.
func (c *Command) DecodeResults(b []byte) error {
	d := wire.NewDecoder(b)
	n := d.ArrayLen()
	c.Reply = nil
	if n > 0 {
		c.Reply = &Reply{}
		c.Reply.Payload.decode(&d, n, c.On.OutputURL())
		c.Reply.Metadata = decodeMetadata(&d, n > 2)
	}
	d.Skip(n - 3)
	d.Leave()
	return d.Finish()
}

func (p *Payload) append(e *wire.Encoder, usual string) {
	e.Bytes(notNil(p.Value)) // nil is no message to generated code
	if p.TypeURL == usual {
		e.String("")
	} else {
		e.String(p.TypeURL)
	}
}

func (p *Payload) decode(d *wire.Decoder, n int, usual string) {
	if n > 0 {
		p.Value = d.Bytes()
	}
	if n > 1 {
		p.TypeURL = d.String()
	}
	if p.TypeURL == "" {
		p.TypeURL = usual
	}
}

func (m Metadata) append(e *wire.Encoder) {
	if !e.ArrayLen(perEntry * len(m)) {
		return
	}
	for _, entry := range m {
		e.String(entry.Key)
		e.String(entry.Text)
		if entry.Binary {
			e.Bytes(notNil(entry.Bytes)) // nil is text
		} else {
			e.Nil()
		}
	}
	e.Leave()
}

func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// decodeMetadata reads entries of three elements each: key, text, and bytes,
// which are nil where the value is text.
func decodeMetadata(d *wire.Decoder, there bool) (m Metadata) {
	if !there {
		return nil
	}
	n := d.ArrayLen()
	for range n / perEntry {
		if d.Err() != nil {
			break
		}
		e := Entry{Key: d.String(), Text: d.String()}
		if e.Binary = !d.IsNil(); e.Binary {
			e.Bytes = d.Bytes()
		}
		m = append(m, e)
	}
	d.Skip(n % perEntry)
	d.Leave()
	return m
}

const perEntry = 3

func appendTrail(e *wire.Encoder, trail []Step) {
	if !e.ArrayLen(perStep * len(trail)) {
		return
	}
	for _, step := range trail {
		e.String(step.Service)
		e.String(step.Method)
		e.Bool(step.Effect)
	}
	e.Leave()
}

func decodeTrail(d *wire.Decoder, there bool) (trail []Step) {
	if !there {
		return nil
	}
	n := d.ArrayLen()
	if n > perStep*MaxSteps {
		d.Fail(mallee.ErrInvalid.Errorf("%d forwards and effects have led to a call, more than %d", n/perStep, MaxSteps))
	}
	for range n / perStep {
		if d.Err() != nil {
			break
		}
		trail = append(trail, Step{Service: d.String(), Method: d.String(), Effect: d.Bool()})
	}
	d.Skip(n % perStep)
	d.Leave()
	return trail
}

const perStep = 3

// Failed is the error of a call that the user function has answered with a
// failure: clients get exactly the description.
func Failed(description string) error {
	return &mallee.Error{Code: mallee.CodeUnknown, Message: description}
}

// Exchange is one call of a client, of any kind: what it sends, and where the
// answers go. A Server that has answered may leave one Recv waiting, which has
// to return soon.
type Exchange interface {
	// Recv is the next message of the client, or io.EOF after the last. It is
	// not called by two goroutines at once.
	Recv() (value []byte, err error)
	// Send gives an answer to the client. The first one's metadata become
	// headers. It is not called by two goroutines at once.
	Send(*Reply) error
}

// Server answers calls of clients. It returns when the call is answered: nil,
// or the error that the client gets.
type Server interface {
	Serve(ctx context.Context, m *spec.Method, md Metadata, x Exchange) error
}
