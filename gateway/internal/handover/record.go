package handover

import (
	"fmt"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/gateway/internal/carrier"
	"github.com/mallee-io/mallee/gateway/internal/stream"
	"github.com/mallee-io/mallee/wire"
	"github.com/mallee-io/mallee/wire/edge"
)

// Names of questions that a gateway asks another one.
const (
	QuestionFind = "find" // whether it has a session: a Find, and the answer is a Found
	QuestionTake = "take" // for a session: a Take, and the answer is a Taken
)

// Find asks whether a gateway has a session, has given it away, or is about to
// get it.
type Find struct {
	Session uint64 // its ID
	Attempt uint64 // edge.Resume.Attempt
}

// Found is the answer. If none of its fields is set the session is not there.
type Found struct {
	Late bool   // the client has come there by a later attempt, and that gateway asks, too
	At   uint64 // where to ask for it with a Take
}

// Take asks for a session.
type Take struct {
	Session  uint64 // its ID
	At       uint64 // where the client's token says it is
	To       uint64 // where it will be
	Epoch    uint64 // that Received counts; where the session has another one by now, Received means nothing
	Received uint64 // messages that the client has and that need not be given
	Attempt  uint64 // edge.Resume.Attempt
}

// Taken is the answer. One of its fields is set; if none is, there is no such
// session.
type Taken struct {
	Late   bool        // the client has come by a later attempt: its connection here is an old one
	Gone   uint64      // it has gone to this place before: ask there
	Record *Record     // the asking gateway has it now
	Ended  edge.Closed // an actor has ended it, and the client is to be told
}

// Record is a session that goes from one gateway to another. Its client speaks
// frames, since plain ones cannot come back.
type Record struct {
	Session  uint64
	User     string
	Actor    mallee.ID
	Server   int64
	Login    []byte // Arrival.Login
	Epoch    uint64
	Out      stream.State
	Received uint64          // messages of the client, those that wait included
	Waiting  []carrier.Frame // what of them has not been given to the actor
}

// The bodies are their version and an array of their fields, in MessagePack. A
// later program of the same version may append fields.
const version = 1

// Append appends the body of the question.
func (f *Find) Append(b []byte) ([]byte, error) {
	e := wire.NewEncoder(append(b, version))
	e.ArrayLen(2)
	e.Uint(f.Session)
	e.Uint(f.Attempt)
	e.Leave()
	return e.Finish()
}

// Parse reads what Append wrote.
func (f *Find) Parse(body []byte) error {
	d, err := decoder(body)
	if err != nil {
		return fmt.Errorf("question %s: %w", QuestionFind, err)
	}
	n := fields(&d, 2)
	f.Session, f.Attempt = d.Uint(64), d.Uint(64)
	d.Skip(n)
	if err := d.Finish(); err != nil {
		return fmt.Errorf("question %s: %w", QuestionFind, err)
	}
	return nil
}

// Append appends the body of the answer.
func (f *Found) Append(b []byte) ([]byte, error) {
	e := wire.NewEncoder(append(b, version))
	e.ArrayLen(2)
	e.Bool(f.Late)
	e.Uint(f.At)
	e.Leave()
	return e.Finish()
}

// Parse reads what Append wrote.
func (f *Found) Parse(body []byte) error {
	d, err := decoder(body)
	if err != nil {
		return fmt.Errorf("answer to %s: %w", QuestionFind, err)
	}
	n := fields(&d, 2)
	f.Late, f.At = d.Bool(), d.Uint(64)
	d.Skip(n)
	if err := d.Finish(); err != nil {
		return fmt.Errorf("answer to %s: %w", QuestionFind, err)
	}
	return nil
}

// Append appends the body of the question.
func (t *Take) Append(b []byte) ([]byte, error) {
	e := wire.NewEncoder(append(b, version))
	e.ArrayLen(6)
	for _, v := range []uint64{t.Session, t.At, t.To, t.Epoch, t.Received, t.Attempt} {
		e.Uint(v)
	}
	e.Leave()
	return e.Finish()
}

// Parse reads what Append wrote.
func (t *Take) Parse(body []byte) error {
	d, err := decoder(body)
	if err != nil {
		return fmt.Errorf("question %s: %w", QuestionTake, err)
	}
	n := fields(&d, 6)
	for _, v := range []*uint64{&t.Session, &t.At, &t.To, &t.Epoch, &t.Received, &t.Attempt} {
		*v = d.Uint(64)
	}
	d.Skip(n)
	if err := d.Finish(); err != nil {
		return fmt.Errorf("question %s: %w", QuestionTake, err)
	}
	return nil
}

// Append appends the body of the answer.
func (t *Taken) Append(b []byte) ([]byte, error) {
	e := wire.NewEncoder(append(b, version))
	e.ArrayLen(5)
	e.Bool(t.Late)
	e.Uint(t.Gone)
	if t.Record == nil {
		e.Nil()
	} else {
		t.Record.encode(&e)
	}
	e.Uint(uint64(t.Ended.Code))
	e.String(t.Ended.Reason)
	e.Leave()
	return e.Finish()
}

// Parse reads what Append wrote. The messages share the body's memory.
func (t *Taken) Parse(body []byte) error {
	d, err := decoder(body)
	if err != nil {
		return fmt.Errorf("answer to %s: %w", QuestionTake, err)
	}
	n := fields(&d, 5)
	t.Late = d.Bool()
	t.Gone = d.Uint(64)
	if t.Record = nil; !d.IsNil() {
		t.Record = new(Record)
		t.Record.decode(&d)
	}
	t.Ended = edge.Closed{Code: edge.Code(d.Uint(16)), Reason: d.String()}
	d.Skip(n)
	if err := d.Finish(); err != nil {
		return fmt.Errorf("answer to %s: %w", QuestionTake, err)
	}
	return nil
}

func (r *Record) encode(e *wire.Encoder) {
	e.ArrayLen(11)
	e.Uint(r.Session)
	e.String(r.User)
	e.Text(r.Actor)
	e.Int(r.Server)
	e.Bytes(r.Login)
	e.Uint(r.Epoch)
	e.Uint(r.Out.First)
	e.Uint(r.Out.Unsure)
	e.ArrayLen(2 * len(r.Out.Kept))
	for _, k := range r.Out.Kept {
		if k.Frame == nil {
			e.Uint(0)
			e.Uint(k.Missing)
		} else {
			encodeFrame(e, k.Frame.Frame)
		}
	}
	e.Leave()
	e.Uint(r.Received)
	e.ArrayLen(2 * len(r.Waiting))
	for _, f := range r.Waiting {
		encodeFrame(e, f)
	}
	e.Leave()
	e.Leave()
}

func encodeFrame(e *wire.Encoder, f carrier.Frame) {
	e.Uint(uint64(f.Kind))
	e.Bytes(f.Data)
}

func (r *Record) decode(d *wire.Decoder) {
	n := fields(d, 11)
	r.Session = d.Uint(64)
	r.User = d.String()
	d.Text(&r.Actor)
	r.Server = d.Int(64)
	r.Login = d.Bytes()
	r.Epoch = d.Uint(64)
	r.Out.First = d.Uint(64)
	r.Out.Unsure = d.Uint(64)
	kept := d.ArrayLen() / 2
	if d.Charge(kept, 32) {
		r.Out.Kept = make([]stream.Entry, kept)
	}
	total := r.Out.First
	for i := range r.Out.Kept {
		kind := edge.Kind(d.Uint(8))
		if kind == 0 {
			r.Out.Kept[i].Missing = d.Uint(64)
			total = count(d, total, r.Out.Kept[i].Missing)
			continue
		}
		r.Out.Kept[i].Frame = &carrier.Outgoing{Frame: decodeFrame(d, kind)}
		total = count(d, total, 1)
	}
	d.Leave()
	r.Received = d.Uint(64)
	waiting := d.ArrayLen() / 2
	if d.Charge(waiting, 32) {
		r.Waiting = make([]carrier.Frame, waiting)
	}
	for i := range r.Waiting {
		r.Waiting[i] = decodeFrame(d, edge.Kind(d.Uint(8)))
	}
	d.Leave()
	d.Skip(n)
	d.Leave()
}

// count adds to an offset. Those that no stream can have are refused, so that
// nothing overflows.
func count(d *wire.Decoder, total, n uint64) uint64 {
	if n == 0 || n > 1<<62 || total > 1<<62 {
		d.Fail(fmt.Errorf("%d messages after %d", n, total))
		return 0
	}
	return total + n
}

func decodeFrame(d *wire.Decoder, kind edge.Kind) carrier.Frame {
	if !kind.Data() {
		d.Fail(fmt.Errorf("a frame of kind %d has no place in a stream", kind))
	}
	return carrier.Frame{Kind: kind, Data: d.Bytes()}
}

func decoder(body []byte) (wire.Decoder, error) {
	if len(body) == 0 {
		return wire.Decoder{}, fmt.Errorf("it is empty")
	}
	if body[0] != version {
		return wire.Decoder{}, fmt.Errorf("version %d, and this program knows %d", body[0], version)
	}
	return wire.NewDecoder(body[1:]), nil
}

// fields enters an array of at least so many fields and returns how many more
// there are, to be skipped.
func fields(d *wire.Decoder, known int) (more int) {
	n := d.ArrayLen()
	if n < known {
		d.Fail(fmt.Errorf("%d fields, and %d are needed", n, known))
		return 0
	}
	return n - known
}
