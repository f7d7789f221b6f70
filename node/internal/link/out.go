package link

import (
	"time"

	"github.com/mallee-io/mallee"
)

// Order is an entry of a link.
type Order struct {
	Number uint64
	Gap    uint64 // not 0: this is no order, and nothing comes with the numbers from this one to its own
	Point  uint64 // of the sender's count of all that it tells; grows from order to order
	Sender mallee.ID
	Name   string
	Body   []byte // is not copied
}

// size is what an order takes of Bounds.Bytes.
func (o *Order) size() int { return overhead + len(o.Body) }

// overhead is about the memory of an order without its body, in bytes.
const overhead = 128

// Bounds of what a sender keeps for a receiver.
type Bounds struct {
	// Bytes bounds what is not acknowledged. A single order may be larger: it
	// then is alone.
	Bytes int
	// Away is how long the receiver may be out of reach before the sender gives
	// up what it keeps.
	Away time.Duration
}

// Fate of an order that was given to Out.
type Fate uint8

// Fates.
const (
	Send Fate = iota // send it now
	Wait             // it is sent with those before it: somebody mends the link
	Full             // refused: too much is not acknowledged
	Away             // refused: the receiver has been out of reach for too long
)

// Out is the sender's end.
//
//	         something cannot be sent, or may be lost
//	open ──────────────────────────────────────────────→ mending
//	  ↑                                                      │
//	  └────────────── Next has nothing more ─────────────────┘
//
// While it mends, orders wait. Independently of that it refuses orders from the
// moment when a bound is reached until there is room again: then a gap follows,
// in the place of those that were refused.
type Out struct {
	bounds  *Bounds
	kept    []Order // from head on
	head    int
	first   uint64 // number of the first kept one, or of the next
	sent    int    // how many of the kept ones are on their way
	bytes   int
	mending bool
	since   time.Time // when it began to mend
	refuses Fate      // Full or Away; Send: it does not
	missing uint64    // the first number that is missing, while it refuses
}

// NewOut is the end of a sender that has sent nothing.
func NewOut(bounds *Bounds) Out { return Out{bounds: bounds, first: 1} }

// Add numbers an order and keeps it, unless it is refused.
func (o *Out) Add(order *Order) Fate {
	size := order.size()
	switch {
	case o.refuses != Send:
		return o.refuses
	case o.Len() > 0 && o.bytes+size > o.bounds.Bytes:
		o.refuses, o.missing = Full, o.next()
		return Full
	}
	order.Number = o.next()
	o.push(*order)
	if o.mending {
		return Wait
	}
	o.sent++
	return Send
}

// Lost says that a connection has ended: what is not acknowledged may be lost
// with it. It reports whether somebody has to begin to mend the link.
func (o *Out) Lost(now time.Time) bool {
	o.sent = 0
	return o.Len() > 0 && o.mend(now)
}

// Unsent says that an order has certainly not been sent, nor what is behind it.
// It reports whether somebody has to begin to mend the link.
func (o *Out) Unsent(number uint64, now time.Time) bool {
	if number >= o.first {
		o.sent = min(o.sent, int(number-o.first))
	}
	return o.mend(now)
}

// Refused says that an order can never be sent, whoever is told so. If it is not
// the last one, a gap takes its place.
func (o *Out) Refused(number uint64) {
	if number < o.first || number >= o.next() {
		return
	}
	i := int(number - o.first)
	o.sent = min(o.sent, i)
	entry := &o.kept[o.head+i]
	o.bytes -= entry.size()
	if i < o.Len()-1 {
		*entry = Order{Number: number, Gap: number}
		o.bytes += entry.size()
		return
	}
	*entry = Order{}
	o.kept = o.kept[:len(o.kept)-1]
}

// mend reports whether it begins.
func (o *Out) mend(now time.Time) bool {
	if o.mending {
		return false
	}
	o.mending, o.since = true, now
	return true
}

// Next is for who mends the link: what has to be sent next. When there is nothing,
// the link is open.
func (o *Out) Next() (Order, bool) {
	if o.sent == o.Len() && o.recovered() {
		o.push(Order{Number: o.next(), Gap: o.missing})
		o.refuses = Send
	}
	if o.sent < o.Len() {
		o.sent++
		return o.kept[o.head+o.sent-1], true
	}
	o.mending = false
	return Order{}, false
}

// recovered reports whether a sender that refuses has room again.
func (o *Out) recovered() bool { return o.refuses != Send && o.bytes <= o.bounds.Bytes/2 }

// Expire gives up what is kept when the receiver has been away for too long, and
// reports whether it has.
func (o *Out) Expire(now time.Time) bool {
	if !o.mending || now.Sub(o.since) < o.bounds.Away || o.Len() == 0 {
		return false
	}
	o.missing = o.first
	if gap := o.kept[o.head].Gap; gap != 0 {
		o.missing = gap
	}
	o.refuses = Away
	o.drop(o.Len())
	return true
}

// Ack takes note that the receiver has all up to a number. It reports whether
// somebody has to begin to mend the link: there is room again.
func (o *Out) Ack(number uint64, now time.Time) bool {
	if number < o.first || number >= o.next() {
		return false
	}
	o.drop(int(number-o.first) + 1)
	return o.recovered() && o.mend(now)
}

// Oldest is the point of the oldest order that the receiver may not have.
func (o *Out) Oldest() (point uint64, any bool) {
	for i := o.head; i < len(o.kept); i++ {
		if o.kept[i].Gap == 0 {
			return o.kept[i].Point, true
		}
	}
	return 0, false
}

// Len is how many entries are kept.
func (o *Out) Len() int { return len(o.kept) - o.head }

// next is the number that comes after all.
func (o *Out) next() uint64 { return o.first + uint64(o.Len()) }

func (o *Out) push(order Order) {
	if len(o.kept) == cap(o.kept) && o.head > len(o.kept)/2 {
		n := copy(o.kept, o.kept[o.head:])
		clear(o.kept[n:])
		o.kept, o.head = o.kept[:n], 0
	}
	o.kept = append(o.kept, order)
	o.bytes += order.size()
}

// keepRoom is the most orders for which memory is kept while there are none.
const keepRoom = 1024

// drop forgets the first n.
func (o *Out) drop(n int) {
	gone := o.kept[o.head : o.head+n]
	for i := range gone {
		o.bytes -= gone[i].size()
	}
	clear(gone)
	o.head += n
	o.first += uint64(n)
	o.sent = max(o.sent-n, 0)
	if o.head < len(o.kept) {
		return
	}
	o.kept, o.head = o.kept[:0], 0
	if cap(o.kept) > keepRoom {
		o.kept = nil
	}
}
