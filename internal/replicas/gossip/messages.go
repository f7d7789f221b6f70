package gossip

import (
	"encoding/binary"
	"fmt"

	"github.com/mallee-io/mallee/crdt"
)

// A message is a version, its kind and who says it, and then by its kind:
//
//	batches  batches, see AppendBatch
//	digest   a digest
//	fetch    a fetch: asks for a part of the whole state
//	entries  entries: a part of the whole state
//	tail     the fetch's token, and batches that were seen since the first part
//	again    the fetch's token: the transfer has to start again
//	offer    nothing: who gets it lacks what can only be fetched
//	removed  nothing; who has been removed stands there instead of who says it
const version = 1

type kind byte

const (
	kindBatches kind = iota + 1
	kindDigest
	kindFetch
	kindEntries
	kindTail
	kindAgain
	kindOffer
	kindRemoved
)

type message struct {
	kind   kind
	sender crdt.ReplicaID
	rest   []byte
}

func appendHeader(b []byte, k kind, id crdt.ReplicaID) []byte {
	return binary.AppendUvarint(append(b, version, byte(k)), uint64(id))
}

func parseMessage(b []byte) (message, error) {
	if len(b) < 2 || b[0] != version {
		return message{}, fmt.Errorf("a message between replicas: %w: its version is not %d", crdt.ErrMalformed, version)
	}
	r := reader{b: b[2:]}
	m := message{kind: kind(b[1]), sender: crdt.ReplicaID(r.uvarint()), rest: r.b}
	if r.bad || m.sender == 0 || m.kind == 0 || m.kind > kindRemoved {
		return message{}, fmt.Errorf("a message between replicas: %w", crdt.ErrMalformed)
	}
	return m, nil
}

// digest says what a replica has.
type digest struct {
	clock    crdt.Clock
	store    crdt.Clock // what the store has, as far as it knows
	left     []crdt.Dot // replicas that have said goodbye, and their last batches
	nodes    []Peer     // to whom the sender speaks
	question uint64     // 0: none; who gets it sends its own digest at once
	answer   uint64     // the question that this one answers
}

func (d *digest) append(b []byte) []byte {
	b = d.store.Append(d.clock.Append(b))
	b = binary.AppendUvarint(b, uint64(len(d.left)))
	for _, x := range d.left {
		b = binary.AppendUvarint(binary.AppendUvarint(b, uint64(x.Replica)), x.Seq)
	}
	b = binary.AppendUvarint(b, uint64(len(d.nodes)))
	for _, at := range d.nodes {
		b = binary.AppendUvarint(b, uint64(at))
	}
	return binary.AppendUvarint(binary.AppendUvarint(b, d.question), d.answer)
}

func (d *digest) parse(b []byte) error {
	r := reader{b: b}
	d.clock, d.store = r.clock(), r.clock()
	for range r.count() {
		d.left = append(d.left, crdt.Dot{Replica: crdt.ReplicaID(r.uvarint()), Seq: r.uvarint()})
	}
	for range r.count() {
		d.nodes = append(d.nodes, Peer(r.uvarint()))
	}
	d.question, d.answer = r.uvarint(), r.uvarint()
	return r.err("a digest")
}

// fetch asks for a part of the whole state.
type fetch struct {
	token uint64     // comes back with the answer
	tail  bool       // for batches since clock, rather than entries
	after string     // for entries after this cursor: see Values.Entries
	clock crdt.Clock // with tail
}

func (f *fetch) append(b []byte) []byte {
	b = appendBool(binary.AppendUvarint(b, f.token), f.tail)
	return f.clock.Append(appendString(b, f.after))
}

func (f *fetch) parse(b []byte) error {
	r := reader{b: b}
	f.token, f.tail, f.after, f.clock = r.uvarint(), r.bool(), string(r.bytes()), r.clock()
	return r.err("a question for the whole state")
}

// entries are a part of the whole state.
type entries struct {
	token  uint64
	after  string
	next   string     // what to ask for after these: "" if there are no more
	before crdt.Clock // what had been seen when they were read, or more
	until  crdt.Clock // nothing of them is later
	body   []byte     // see appendEntry
}

func (e *entries) append(b []byte) []byte {
	b = appendString(appendString(binary.AppendUvarint(b, e.token), e.after), e.next)
	return append(e.until.Append(e.before.Append(b)), e.body...)
}

func (e *entries) parse(b []byte) error {
	r := reader{b: b}
	e.token, e.after, e.next = r.uvarint(), string(r.bytes()), string(r.bytes())
	e.before, e.until = r.clock(), r.clock()
	if r.bad {
		return r.err("a part of the whole state")
	}
	e.body = r.b
	return nil
}

// How an entry is.
const (
	entryWhole uint64 = iota
	entryDeleted
	entryContinues
)

func appendEntry(b []byte, e *Entry) []byte {
	how := entryWhole
	switch {
	case e.Deleted:
		how = entryDeleted
	case e.Continues:
		how = entryContinues
	}
	b = binary.AppendUvarint(appendString(b, e.Name), how)
	b = binary.AppendUvarint(b, uint64(len(e.State)))
	return append(b, e.State...)
}

func parseEntries(b []byte) (all []Entry, err error) {
	r := reader{b: b}
	for len(r.b) > 0 && !r.bad {
		name, how := string(r.bytes()), r.uvarint()
		r.bad = r.bad || how > entryContinues
		all = append(all, Entry{Name: name, Deleted: how == entryDeleted, Continues: how == entryContinues, State: r.bytes()})
	}
	return all, r.err("a part of the whole state")
}

func parseToken(b []byte) (token uint64, rest []byte, err error) {
	r := reader{b: b}
	token = r.uvarint()
	return token, r.b, r.err("an answer to a question for the whole state")
}

func parseBatches(b []byte) (all []Batch, err error) {
	for len(b) > 0 {
		x, rest, err := ParseBatch(b)
		if err != nil {
			return nil, err
		}
		all, b = append(all, x), rest
	}
	return all, nil
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendBool(b []byte, x bool) []byte {
	if x {
		return append(b, 1)
	}
	return append(b, 0)
}

// reader reads fields; what it gives is zero once something was bad.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) uvarint() uint64 {
	x, n := binary.Uvarint(r.b)
	if n <= 0 || r.bad {
		r.bad = true
		return 0
	}
	r.b = r.b[n:]
	return x
}

// count is the length of a list, whose parts have a byte at least.
func (r *reader) count() uint64 {
	n := r.uvarint()
	if n > crdt.MaxReplicas || n > uint64(len(r.b)) {
		r.bad = true
		return 0
	}
	return n
}

func (r *reader) bool() bool {
	x := r.uvarint()
	r.bad = r.bad || x > 1
	return x == 1
}

// bytes shares the memory of what is read.
func (r *reader) bytes() []byte {
	n := r.uvarint()
	if r.bad || n > uint64(len(r.b)) {
		r.bad = true
		return nil
	}
	x := r.b[:n:n]
	r.b = r.b[n:]
	return x
}

func (r *reader) clock() (c crdt.Clock) {
	if r.bad {
		return c
	}
	c, rest, err := crdt.ParseClock(r.b)
	if err != nil {
		r.bad = true
		return crdt.Clock{}
	}
	r.b = rest
	return c
}

func (r *reader) err(what string) error {
	if r.bad {
		return fmt.Errorf("%s: %w", what, crdt.ErrMalformed)
	}
	return nil
}
