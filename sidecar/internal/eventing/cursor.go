package eventing

// cursor is how far one consumer has got in the log of one entity. It is pure.
//
// At most one run is under way, from next to idle, so events are delivered in
// their order and one at a time.
type cursor struct {
	last  uint64 // number of the entity's last event that is durable
	done  uint64 // events up to it are handled or set aside
	busy  bool
	trial trial // of the event after done
}

// saveEvery is how many events are delivered before it is written how far their
// consumer has got: after a crash at most so many come again.
const saveEvery = 20

// next begins a run: the events from first to last are to be delivered now.
func (c *cursor) next() (first, last uint64, ok bool) {
	if c.busy || !c.pending() {
		return 0, 0, false
	}
	c.busy = true
	return c.done + 1, min(c.last, c.done+saveEvery), true
}

// advance is told that the events up to done are handled or set aside.
func (c *cursor) advance(done uint64) {
	if done > c.done {
		c.done, c.trial = done, trial{}
	}
}

// idle ends what next has begun: another run may follow.
func (c *cursor) idle() { c.busy = false }

func (c *cursor) pending() bool { return c.done < c.last }
