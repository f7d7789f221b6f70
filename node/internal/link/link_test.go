package link_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/mallee-io/mallee/node/internal/link"
)

// world is a link between two nodes that live, over one connection after the
// other. What is on its way is lost with a connection, and each side hears late
// of its end.
type world struct {
	*rapid.T
	bounds link.Bounds
	now    time.Time
	out    link.Out
	in     link.In

	connected bool
	unheard   bool // the sender has not heard of the end of a connection
	mending   bool // somebody mends the link
	there     []link.Order
	back      []uint64

	told     int          // orders that were given to the sender, refused ones included
	given    int          // of these, the last that was given up
	lost     map[int]bool // those that were refused
	log      []int        // what the receiver has got; 0 is a gap
	sent     int          // of all that went over a connection
	refused  int
	repeated int
}

func newWorld(t *rapid.T) *world {
	w := &world{T: t, connected: true, now: time.Unix(0, 0), lost: make(map[int]bool)}
	w.bounds = link.Bounds{Bytes: 200 * rapid.IntRange(1, 20).Draw(t, "room"), Away: 10 * time.Second}
	w.out = link.NewOut(&w.bounds)
	return w
}

// tell gives the sender an order.
func (w *world) tell() {
	w.told++
	o := link.Order{Point: uint64(w.told), Body: make([]byte, w.told%50)}
	switch w.out.Add(&o) {
	case link.Send:
		if w.mending {
			w.Fatal("an order is sent past those that wait")
		}
		w.send(o)
	case link.Wait:
		if !w.mending {
			w.Fatal("an order waits, and nobody mends the link")
		}
	default:
		w.lost[w.told] = true
		w.refused++
	}
}

func (w *world) send(o link.Order) bool {
	if !w.connected {
		w.began(w.out.Unsent(o.Number, w.now))
		return false
	}
	w.there = append(w.there, o)
	w.sent++
	return true
}

func (w *world) began(mend bool) {
	if mend && w.mending {
		w.Fatal("two mend the link")
	}
	w.mending = w.mending || mend
}

// mend tries to send all that waits.
func (w *world) mend() {
	for w.mending {
		o, more := w.out.Next()
		if !more {
			w.mending = false
		} else if !w.send(o) {
			if w.out.Expire(w.now) {
				w.given = w.told
			}
			return
		}
	}
}

// arrive lets one message through, in either direction.
func (w *world) arrive() {
	if len(w.there) > 0 {
		o := w.there[0]
		w.there = w.there[1:]
		switch w.in.Judge(o.Number, o.Gap, len(o.Body)) {
		case link.Take:
			if o.Gap != 0 {
				w.log = append(w.log, 0)
			} else {
				w.log = append(w.log, int(o.Point))
			}
		case link.Again:
			w.repeated++
		}
	}
	if len(w.back) > 0 {
		n := w.back[0]
		w.back = w.back[1:]
		w.began(w.out.Ack(n, w.now))
	}
}

func (w *world) ack() {
	if n, due := w.in.Ack(); due && w.connected {
		w.back = append(w.back, n)
		w.in.Acked()
	}
}

// cut ends the connection. Of what is on its way a part still arrives.
func (w *world) cut() {
	w.connected, w.unheard = false, true
	for range rapid.IntRange(0, len(w.there)).Draw(w.T, "arrive") {
		w.arrive()
	}
	w.there, w.back = nil, nil
}

// hear tells the sender that a connection has ended, maybe after another one has
// begun.
func (w *world) hear() {
	if w.unheard {
		w.unheard = false
		w.began(w.out.Lost(w.now))
	}
}

// check looks whether the receiver has each order once and in its order, with a
// gap where some are missing.
func (w *world) check() {
	last, gap := 0, false
	for _, n := range w.log {
		switch {
		case n == 0:
			gap = true
			continue
		case n <= last:
			w.Fatalf("%d comes behind %d", n, last)
		case n > last+1 && !gap:
			w.Fatalf("%d comes behind %d without a gap", n, last)
		}
		for missing := max(last, w.given) + 1; missing < n; missing++ {
			if !w.lost[missing] {
				w.Fatalf("%d is missing, and was neither refused nor given up", missing)
			}
		}
		last, gap = n, false
	}
}

func TestLink(t *testing.T) {
	t.Parallel()
	lost, refused, repeated := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		t.Repeat(map[string]func(*rapid.T){
			"tell":   func(*rapid.T) { w.tell() },
			"tell 2": func(*rapid.T) { w.tell(); w.tell() },
			"arrive": func(*rapid.T) { w.arrive() },
			"ack":    func(*rapid.T) { w.ack() },
			"cut":    func(*rapid.T) { w.cut() },
			"hear":   func(*rapid.T) { w.hear() },
			"connect": func(*rapid.T) {
				w.connected = true
			},
			"mend": func(*rapid.T) { w.mend() },
			"wait": func(t *rapid.T) {
				w.now = w.now.Add(time.Duration(rapid.IntRange(1, 6).Draw(t, "seconds")) * time.Second)
			},
			"": func(*rapid.T) { w.check() },
		})
		w.hear()
		w.connected = true
		for range 5 { // then all that is kept arrives, and the gap behind it
			w.mend()
			for len(w.there) > 0 {
				w.arrive()
			}
			w.ack()
			for len(w.back) > 0 {
				w.arrive()
			}
		}
		w.tell()
		w.arrive()
		w.check()
		if n := len(w.log); n == 0 || w.log[n-1] != w.told {
			t.Fatalf("the last order has not come: %v", w.log)
		}
		w.ack()
		w.arrive()
		if _, any := w.out.Oldest(); any || w.out.Len() > 0 || w.mending {
			t.Fatalf("the link is not open: %d entries are kept", w.out.Len())
		}
		lost += w.told - len(w.log)
		refused += w.refused
		repeated += w.repeated
	})
	t.Logf("%d missing, %d refused, %d repeated", lost, refused, repeated)
	if refused == 0 || repeated == 0 {
		t.Error("the runs have not met what is wanted")
	}
}

// What is given up is a gap, also when the gap itself could not be sent.
func TestAway(t *testing.T) {
	t.Parallel()
	bounds, now := link.Bounds{Bytes: 1 << 20, Away: time.Second}, time.Unix(0, 0)
	out := link.NewOut(&bounds)
	for range 3 {
		if fate := out.Add(new(link.Order)); fate != link.Send {
			t.Fatal(fate)
		}
	}
	out.Ack(1, now)
	if !out.Lost(now) || out.Lost(now) || out.Expire(now.Add(bounds.Away/2)) {
		t.Error("the link is mended once, for a while")
	}
	later := now.Add(bounds.Away)
	if !out.Expire(later) || out.Add(new(link.Order)) != link.Away {
		t.Error("it goes on to keep orders")
	}
	for range 2 {
		gap, more := out.Next()
		if !more || gap.Gap != 2 {
			t.Fatalf("%+v, %v", gap, more)
		}
		if out.Unsent(gap.Number, later) || !out.Expire(later) || out.Add(new(link.Order)) != link.Away {
			t.Error("it does not refuse any more")
		}
	}
	gap, _ := out.Next()
	if o := new(link.Order); out.Add(o) != link.Wait || o.Number != gap.Number+1 {
		t.Errorf("%+v behind %+v", o, gap)
	}
}

// An order that cannot be sent at all does not keep others from it.
func TestRefused(t *testing.T) {
	t.Parallel()
	bounds, now := link.Bounds{Bytes: 1 << 20, Away: time.Second}, time.Unix(0, 0)
	out := link.NewOut(&bounds)
	var o link.Order
	out.Add(&o)
	out.Refused(o.Number)
	out.Add(&o)
	if o.Number != 1 {
		t.Errorf("the number %d follows on one that was refused", o.Number)
	}
	out.Unsent(o.Number, now)
	out.Add(&o)
	if first, _ := out.Next(); first.Number != 1 {
		t.Errorf("%+v", first)
	}
	out.Refused(1)
	if gap, _ := out.Next(); gap.Number != 1 || gap.Gap != 1 {
		t.Errorf("%+v", gap)
	}
	if second, more := out.Next(); !more || second.Number != 2 {
		t.Errorf("%+v", second)
	}
	if _, more := out.Next(); more {
		t.Error("there is more")
	}
}
