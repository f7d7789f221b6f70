package sessions

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/placement"
)

// The body of an order is its version, which is 1, and its fields: numbers are
// varints, texts their length and bytes, sessions their number and then each
// one's distance from the one before it. Data stands last, without a length.
const orderVersion = 1

// Push is a message to sessions.
type Push struct {
	Sessions []uint64 // where they are, all at one gateway; best in ascending order
	Message  mallee.Message
}

// Kick ends sessions after what was pushed to them before.
type Kick struct {
	Sessions []uint64
	Reason   mallee.DisconnectReason
	Why      string // told to the client
}

// Bind gives a session to another actor.
type Bind struct {
	Session uint64
	To      mallee.ID
}

// Detached says that the activation of these sessions has ended.
type Detached struct {
	Sessions []uint64
	Epoch    uint64 // of that activation: a session that is announced to a later one is not meant
}

// Gap says that orders are missing, up to that with its own number.
type Gap struct {
	First uint64 // number
}

// Relay is an order for the gateway of a third node.
type Relay struct {
	To    placement.NodeID
	Order string
	Body  []byte
}

// Append appends the body of the order. A Push is the same for all gateways
// but for its sessions, so Data is copied, not encoded.
func (p *Push) Append(b []byte) []byte {
	b = appendSessions(append(b, orderVersion), p.Sessions)
	b = append(b, flag(p.Message.Text))
	return append(b, p.Message.Data...)
}

// Parse reads what Append wrote. Data shares the body's memory.
func (p *Push) Parse(body []byte) error {
	r := orderReader{rest: body}
	r.version()
	p.Sessions, p.Message.Text = r.sessions(), r.byte() != 0
	p.Message.Data = r.rest
	return r.failed("push")
}

// Append appends the body of the order.
func (k *Kick) Append(b []byte) []byte {
	b = appendSessions(append(b, orderVersion), k.Sessions)
	return append(append(b, byte(k.Reason)), k.Why...)
}

// Parse reads what Append wrote.
func (k *Kick) Parse(body []byte) error {
	r := orderReader{rest: body}
	r.version()
	k.Sessions, k.Reason = r.sessions(), mallee.DisconnectReason(r.byte())
	k.Why = string(r.rest)
	return r.failed("kick")
}

// Append appends the body of the order.
func (o *Bind) Append(b []byte) []byte {
	b = binary.AppendUvarint(append(b, orderVersion), o.Session)
	b = append(binary.AppendUvarint(b, uint64(len(o.To.Type))), o.To.Type...)
	return append(b, o.To.Key...)
}

// Parse reads what Append wrote.
func (o *Bind) Parse(body []byte) error {
	r := orderReader{rest: body}
	r.version()
	o.Session = r.uvarint()
	o.To = mallee.ID{Type: r.text(), Key: string(r.rest)}
	return r.failed("bind")
}

// Append appends the body of the order.
func (d *Detached) Append(b []byte) []byte {
	b = appendSessions(append(b, orderVersion), d.Sessions)
	return binary.AppendUvarint(b, d.Epoch)
}

// Parse reads what Append wrote.
func (d *Detached) Parse(body []byte) error {
	r := orderReader{rest: body}
	r.version()
	d.Sessions, d.Epoch = r.sessions(), r.uvarint()
	return r.failed("detached")
}

// Append appends the body of the order.
func (g *Gap) Append(b []byte) []byte {
	return binary.AppendUvarint(append(b, orderVersion), g.First)
}

// Parse reads what Append wrote.
func (g *Gap) Parse(body []byte) error {
	r := orderReader{rest: body}
	r.version()
	if g.First = r.uvarint(); g.First == 0 && r.err == nil {
		r.fail(errFirst)
	}
	return r.failed(OrderGap)
}

// Append appends the body of the question.
func (r *Relay) Append(b []byte) []byte {
	b = binary.AppendUvarint(append(b, orderVersion), uint64(r.To))
	b = append(binary.AppendUvarint(b, uint64(len(r.Order))), r.Order...)
	return append(b, r.Body...)
}

// Parse reads what Append wrote. Body shares its memory.
func (r *Relay) Parse(body []byte) error {
	o := orderReader{rest: body}
	o.version()
	r.To, r.Order = placement.NodeID(o.uvarint()), o.text()
	r.Body = o.rest
	return o.failed("relay")
}

func flag(v bool) byte {
	if v {
		return 1
	}
	return 0
}

func appendSessions(b []byte, sessions []uint64) []byte {
	b = binary.AppendUvarint(b, uint64(len(sessions)))
	last := uint64(0)
	for _, s := range sessions {
		b = binary.AppendVarint(b, int64(s-last)) // wraps around, and back
		last = s
	}
	return b
}

var (
	errShortOrder = errors.New("it ends too early")
	errFirst      = errors.New("numbers begin at 1")
)

// orderReader keeps its first error and returns zero values from then on.
type orderReader struct {
	rest []byte
	err  error
}

func (r *orderReader) failed(order string) error {
	if r.err != nil {
		return fmt.Errorf("order %s: %w", order, r.err)
	}
	return nil
}

func (r *orderReader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.rest = nil
}

func (r *orderReader) version() {
	if v := r.byte(); r.err == nil && v != orderVersion {
		r.fail(fmt.Errorf("version %d, and this program knows %d", v, orderVersion))
	}
}

func (r *orderReader) byte() byte {
	if len(r.rest) == 0 {
		r.fail(errShortOrder)
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}

func (r *orderReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.fail(errShortOrder)
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *orderReader) text() string {
	n := r.uvarint()
	if n > uint64(len(r.rest)) {
		r.fail(errShortOrder)
		return ""
	}
	s := string(r.rest[:n])
	r.rest = r.rest[n:]
	return s
}

// sessions takes at least a byte of the body for each session that it makes
// room for.
func (r *orderReader) sessions() []uint64 {
	n := r.uvarint()
	if n > uint64(len(r.rest)) {
		r.fail(errShortOrder)
		return nil
	}
	list := make([]uint64, 0, n)
	last := uint64(0)
	for range n {
		d, used := binary.Varint(r.rest)
		if used <= 0 {
			r.fail(errShortOrder)
			return nil
		}
		r.rest = r.rest[used:]
		last += uint64(d)
		list = append(list, last)
	}
	return list
}
