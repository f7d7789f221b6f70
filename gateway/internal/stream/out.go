package stream

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/mallee-io/mallee/gateway/internal/carrier"
	"github.com/mallee-io/mallee/wire/edge"
)

// Bounds of what is kept for one client. All sessions of a gateway share one.
type Bounds struct {
	// Messages and Bytes bound both what is not written yet and what is kept
	// for a client that comes back. Both are at least 1. A single message may
	// be larger than Bytes: it then is alone.
	Messages int
	Bytes    int
	// Window is how long a message that has been written is kept for a client
	// that does not acknowledge. While there is no connection nothing grows
	// old: the session itself has an end then.
	Window time.Duration
	Slow   Policy
}

// Policy is what happens to a client that does not read as fast as messages
// come for it.
type Policy uint8

// Policies.
const (
	DropNewest  Policy = iota // the new message is lost; a framed client is told so in its place
	DropSession               // the connection is closed; a framed client may resume
)

// Fate of a message that was pushed.
type Fate uint8

// Fates.
const (
	Kept    Fate = iota // it will be written, or waits for the client to come back
	Dropped             // the client is too slow; the stream has a gap
	Slow                // the client is too slow: close the connection with CodeSlow. The message is kept
)

// Out is what goes to one client. Data frames of an epoch have offsets, which
// both sides count from 0 and nobody sends:
//
//	         first          sent            next
//	…gone…   │ written, kept │ to be written │
//
// While a client reads, first ≤ sent: what is not written yet does not fall out,
// new messages are refused instead. While there is no connection the oldest
// falls out, so that first may pass sent; then a Lost goes in front.
//
// A session's lock guards it. The zero Out is not usable; see NewOut.
type Out struct {
	bounds *Bounds
	ring   ring[entry]
	first  uint64
	sent   uint64
	next   uint64
	bytes  int
	unsure uint64 // Lost.Sent
	taken  uint32 // entries of the ring in front of sent

	plain    bool
	attached bool
	tell     bool // unsure has not been written to this connection
}

// entry is a frame, or a gap.
type entry struct {
	frame *carrier.Outgoing
	// at is when it was pushed; of a gap, where frame is nil, it is how many
	// messages are missing.
	at int64
}

func (e entry) offsets() uint64 {
	if e.frame == nil {
		return uint64(e.at)
	}
	return 1
}

// NewOut is an empty stream of a new epoch whose client is there. Of a plain
// client's nothing is kept after it was written, and gaps cannot be told.
func NewOut(bounds *Bounds, plain bool) Out {
	return Out{bounds: bounds, plain: plain, attached: true}
}

// Push appends a message. Now comes from a clock that only goes forward. After
// Slow there is no connection any more, as after Detach.
func (o *Out) Push(frame *carrier.Outgoing, now time.Duration) Fate {
	o.expire(now)
	fate := Kept
	if !o.room(frame) {
		if o.bounds.Slow == DropNewest {
			o.Miss(1)
			return Dropped
		}
		o.Detach()
		o.room(frame)
		fate = Slow
	}
	o.append(frame, now)
	return fate
}

// room lets fall out what may, until there is room for a frame. If all has, there
// is.
func (o *Out) room(frame *carrier.Outgoing) bool {
	for o.ring.count > 0 && !o.fits(frame) {
		if o.attached && o.taken == 0 {
			return false
		}
		o.drop()
	}
	return true
}

func (o *Out) fits(frame *carrier.Outgoing) bool {
	return int(o.ring.count) < o.bounds.Messages && o.bytes+len(frame.Data) <= o.bounds.Bytes
}

func (o *Out) append(frame *carrier.Outgoing, now time.Duration) {
	o.ring.push(entry{frame, int64(now)})
	o.bytes += len(frame.Data)
	o.next++
}

// Miss leaves out the next n messages, at least one: they were lost on their way
// here. Gaps that the client has not been told of become one.
func (o *Out) Miss(n uint64) {
	if o.plain {
		return
	}
	for int(o.ring.count) >= o.bounds.Messages && (o.taken > 0 || !o.attached) {
		o.drop()
	}
	o.next += n
	if o.ring.count > o.taken {
		if last := o.ring.at(o.ring.count - 1); last.frame == nil {
			last.at += int64(n)
			return
		}
	}
	o.ring.push(entry{at: int64(n)})
}

// drop forgets the oldest entry.
func (o *Out) drop() {
	e := o.ring.pop()
	o.first += e.offsets()
	if e.frame != nil {
		o.bytes -= len(e.frame.Data)
	}
	if o.taken > 0 {
		o.taken--
	}
}

// expire forgets what was written and is old. A gap in front needs no entry:
// first says the same.
func (o *Out) expire(now time.Duration) {
	for o.attached && o.taken > 0 {
		if e := o.ring.at(0); e.frame != nil && int64(now)-e.at < int64(o.bounds.Window) {
			return
		}
		o.drop()
	}
}

// Sweep gives back memory that a session does not need for the time being. Call
// it now and then: it is what ends the Window of a session without pushes.
func (o *Out) Sweep(now time.Duration) {
	o.expire(now)
	o.ring.release()
}

// Pending reports whether Take has something.
func (o *Out) Pending() bool {
	return o.attached && (o.taken < o.ring.count || o.sent < o.first || o.tell)
}

// Take appends to batch what is to be written next, until that is at least
// limit bytes, and takes it for written: if it is not, the connection has
// failed and Resume begins where the client says.
func (o *Out) Take(batch []*carrier.Outgoing, limit int) []*carrier.Outgoing {
	if !o.attached {
		return batch
	}
	if !o.plain && (o.sent < o.first || o.tell) {
		missing := uint64(0)
		if o.sent < o.first {
			missing = o.first - o.sent
		}
		batch = append(batch, o.lost(missing))
		o.sent += missing
	}
	o.tell = false
	for bytes := 0; o.taken < o.ring.count && bytes < limit; o.taken++ {
		e := *o.ring.at(o.taken)
		o.sent += e.offsets()
		if e.frame == nil {
			batch = append(batch, o.lost(e.offsets()))
			continue
		}
		batch = append(batch, e.frame)
		bytes += len(e.frame.Data)
	}
	for o.plain && o.taken > 0 {
		o.drop()
	}
	return batch
}

func (o *Out) lost(n uint64) *carrier.Outgoing {
	data, err := json.Marshal(edge.Lost{Count: n, Sent: o.unsure})
	if err != nil {
		panic("stream: " + err.Error()) // two numbers
	}
	return &carrier.Outgoing{Frame: carrier.Frame{Kind: edge.KindLost, Data: data}}
}

// Unsure says that it is not known whether a message of the client has run. The
// client is told the number of those since the epoch began, which may be said
// twice without harm.
func (o *Out) Unsure() {
	o.unsure++
	o.tell = !o.plain
}

// Told reports whether this connection carries all that is unsure. Before, no
// message of the client may be acknowledged: it would not count as unsure those
// that it does not hear of any more when the epoch ends.
func (o *Out) Told() bool { return !o.tell }

// Ack forgets what the client says it has received. The error says that it
// cannot have received that.
func (o *Out) Ack(received uint64) error {
	if received > o.sent {
		return fmt.Errorf("%d messages acknowledged, and %d were written", received, o.sent)
	}
	o.forget(received)
	return nil
}

func (o *Out) forget(received uint64) {
	for o.first < received && o.ring.count > 0 {
		e := o.ring.at(0)
		if n := received - o.first; n < e.offsets() { // a part of a gap
			e.at -= int64(n)
			o.first = received
			return
		}
		o.drop()
	}
}

// Detach says that there is no connection any more.
func (o *Out) Detach() { o.attached = false }

// Resume goes on with a client that has received so many messages of the epoch:
// Take begins with the next one. Replayed messages follow, lost ones are missing
// among them. The error says that the client cannot have received so many; then
// nothing has changed.
func (o *Out) Resume(received uint64) (replayed, lost uint64, err error) {
	if received > o.next {
		return 0, 0, fmt.Errorf("the client has received %d messages, and the epoch has %d", received, o.next)
	}
	o.forget(received)
	o.sent, o.taken, o.attached, o.tell = received, 0, true, o.unsure > 0
	for i := range o.ring.count {
		if o.ring.at(i).frame != nil {
			replayed++
		}
	}
	return replayed, o.next - received - replayed, nil
}

// Bytes is how much is kept, written or not.
func (o *Out) Bytes() int { return o.bytes }

// Held is how much memory what is kept takes, written or not, in bytes.
func (o *Out) Held() int { return o.bytes + perMessage*int(o.ring.count) }

// Clear forgets what is kept: the client will not come back for it.
func (o *Out) Clear() {
	for o.ring.count > 0 {
		o.drop()
	}
}

// Next is the offset of the next message: how many the epoch has had.
func (o *Out) Next() uint64 { return o.next }

// State is what another gateway needs to go on with a stream.
type State struct {
	First  uint64 // offset of the first entry
	Unsure uint64
	Kept   []Entry
}

// Entry is a frame, or a gap where it is nil.
type Entry struct {
	Frame   *carrier.Outgoing
	Missing uint64 // messages, in a gap
}

// State is what is kept. It shares the frames.
func (o *Out) State() State {
	s := State{First: o.first, Unsure: o.unsure, Kept: make([]Entry, o.ring.count)}
	for i := range o.ring.count {
		if e := *o.ring.at(i); e.frame == nil {
			s.Kept[i].Missing = e.offsets()
		} else {
			s.Kept[i].Frame = e.frame
		}
	}
	return s
}

// RestoreOut makes the stream of a framed client that another gateway had. Its
// client is not there: Resume begins.
func RestoreOut(bounds *Bounds, s State, now time.Duration) Out {
	o := Out{bounds: bounds, first: s.First, sent: s.First, next: s.First, unsure: s.Unsure}
	for _, e := range s.Kept {
		if e.Frame == nil {
			o.Miss(e.Missing)
		} else {
			o.append(e.Frame, now)
		}
	}
	return o
}
