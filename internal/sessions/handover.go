package sessions

import (
	"encoding/binary"

	"github.com/mallee-io/mallee/placement"
)

// Names of orders for sessions that have gone from one gateway to another.
const (
	OrderForward = "forward" // gateway to gateway: an order that came for a session which is there now: Forward
	OrderMissing = "missing" // inside of a Forward: Missing
	OrderFlush   = "flush"   // gateway to node: Moves
	OrderMarker  = "marker"  // the answer, to the gateway where sessions were, which passes it on: Marker
	OrderEnded   = "ended"   // gateway to gateway: sessions need not be forwarded any more: Moves, To is where they were last
	OrderRetire  = "retire"  // gateway to gateway: prepare for my end: Moves
	OrderRetired = "retired" // gateway to gateway: these Moves are prepared for my end
	// OrderSuperseded goes from a node to the gateway of a session that its actor
	// knows at another place, of a later attempt of the client: Superseded.
	OrderSuperseded = "superseded"
)

// Forward is an order that is passed on. Who sends it stays the same.
type Forward struct {
	Origin placement.NodeID // the node of the sender
	From   uint64           // the session at the gateway that forwards
	Order  string           // its name: push, kick, bind, detached, or missing
	Body   []byte           // for the one session at the gateway that gets it
}

// Missing says that messages of the origin are left out, since too many were
// held; or that it is not known how many are.
type Missing struct {
	Session uint64
	Count   uint64 // 0: it is not known
}

// Moves is a list of sessions that were at one place and are at another. Those
// of one order all were at one gateway. An OrderFlush asks a node to send to the
// new place from now on, and an OrderMarker behind what it has sent to the old
// one, to the gateway there.
type Moves struct {
	Moved []Relocation
}

// Marker says that a node sends nothing to the old places any more.
type Marker struct {
	Origin placement.NodeID // that node
	Moved  []Relocation
}

// Superseded is a session that is somewhere else since the client's connection
// of the given number (edge.Resume.Attempt). A gateway that knows of a later one
// does not mind.
type Superseded struct {
	Session uint64
	By      uint64
	Attempt uint64
}

// Append appends the body of the order.
func (f *Forward) Append(b []byte) []byte {
	b = binary.AppendUvarint(append(b, orderVersion), uint64(f.Origin))
	b = binary.AppendUvarint(b, f.From)
	b = append(binary.AppendUvarint(b, uint64(len(f.Order))), f.Order...)
	return append(b, f.Body...)
}

// Parse reads what Append wrote. Body shares the memory.
func (f *Forward) Parse(body []byte) error {
	r := orderReader{rest: body}
	r.version()
	f.Origin, f.From, f.Order = placement.NodeID(r.uvarint()), r.uvarint(), r.text()
	f.Body = r.rest
	return r.failed(OrderForward)
}

// Append appends the body of the order.
func (m *Missing) Append(b []byte) []byte {
	b = binary.AppendUvarint(append(b, orderVersion), m.Session)
	return binary.AppendUvarint(b, m.Count)
}

// Parse reads what Append wrote.
func (m *Missing) Parse(body []byte) error {
	r := orderReader{rest: body}
	r.version()
	m.Session, m.Count = r.uvarint(), r.uvarint()
	return r.failed(OrderMissing)
}

// Append appends the body of the order.
func (m *Moves) Append(b []byte) []byte {
	return appendMoves(append(b, orderVersion), m.Moved)
}

// Parse reads what Append wrote.
func (m *Moves) Parse(body []byte) error {
	r := orderReader{rest: body}
	r.version()
	m.Moved = r.moves()
	return r.failed("with moves")
}

// Append appends the body of the order.
func (m *Marker) Append(b []byte) []byte {
	b = binary.AppendUvarint(append(b, orderVersion), uint64(m.Origin))
	return appendMoves(b, m.Moved)
}

// Parse reads what Append wrote.
func (m *Marker) Parse(body []byte) error {
	r := orderReader{rest: body}
	r.version()
	m.Origin, m.Moved = placement.NodeID(r.uvarint()), r.moves()
	return r.failed(OrderMarker)
}

// Append appends the body of the order.
func (s *Superseded) Append(b []byte) []byte {
	b = binary.AppendUvarint(append(b, orderVersion), s.Session)
	b = binary.AppendUvarint(b, s.By)
	return binary.AppendUvarint(b, s.Attempt)
}

// Parse reads what Append wrote.
func (s *Superseded) Parse(body []byte) error {
	r := orderReader{rest: body}
	r.version()
	s.Session, s.By, s.Attempt = r.uvarint(), r.uvarint(), r.uvarint()
	return r.failed(OrderSuperseded)
}

// appendMoves writes the sessions of both places, one after the other.
func appendMoves(b []byte, moved []Relocation) []byte {
	b = binary.AppendUvarint(b, uint64(len(moved)))
	from, to := uint64(0), uint64(0)
	for _, m := range moved {
		b = binary.AppendVarint(b, int64(m.From-from)) // wraps around, and back
		b = binary.AppendVarint(b, int64(m.To-to))
		from, to = m.From, m.To
	}
	return b
}

// moves takes at least two bytes of the body for each one that it makes room
// for.
func (r *orderReader) moves() []Relocation {
	n := r.uvarint()
	if n > uint64(len(r.rest))/2 {
		r.fail(errShortOrder)
		return nil
	}
	list := make([]Relocation, 0, n)
	var m Relocation
	for range n {
		m.From += uint64(r.varint())
		m.To += uint64(r.varint())
		list = append(list, m)
	}
	return list
}

func (r *orderReader) varint() int64 {
	v, n := binary.Varint(r.rest)
	if n <= 0 {
		r.fail(errShortOrder)
		return 0
	}
	r.rest = r.rest[n:]
	return v
}
