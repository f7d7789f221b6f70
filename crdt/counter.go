package crdt

import "math"

// counter is the contents of GCounter and PNCounter: each replica has one atom, its
// own total, and replaces no other's. Sums wrap around, so that it does not matter
// in which order totals are folded into one.
type counter struct {
	totals atoms[int64]
	sum    int64
}

// checkCount says why a counter cannot be changed.
func checkCount(k Kind, total, change int64) error {
	switch {
	case k == KindGCounter && change < 0:
		return illegal("a GCounter cannot decrease")
	case change > 0 && total > math.MaxInt64-change, change < 0 && total < math.MinInt64-change:
		return illegal("the counter would be out of range")
	}
	return nil
}

func (c *counter) add(at Dot, change int64) (changed bool) {
	if change == 0 {
		return false
	}
	c.sum += change
	if i, ok := c.totals.find(at.Replica); ok {
		change += c.totals[i].payload
	}
	c.totals.own(at, change)
	return true
}

func (c *counter) recount() {
	c.sum = 0
	for _, t := range c.totals {
		c.sum += t.payload
	}
}

func (c *counter) empty() bool { return len(c.totals) == 0 }

func (c *counter) change(at Dot, _ int64, d *Delta, _ bool) bool { return c.add(at, d.count()) }

func (c *counter) effect(at Dot, e *effect) {
	e.number, e.put = c.totals.of(at.Replica)
}

func (c *counter) apply(at Dot, _ past, e *effect) bool {
	changed := e.put && c.totals.put(at, e.number)
	c.recount()
	return changed
}

func (c *counter) drop(seen past) bool {
	changed := c.totals.drop(seen)
	c.recount()
	return changed
}

func (c *counter) merge(o contents, mine, theirs past) bool {
	changed := c.totals.merge(o.(*counter).totals, mine, theirs)
	c.recount()
	return changed
}

func (c *counter) fold(r ReplicaID) {
	i, ok := c.totals.find(r)
	if !ok || r == 0 {
		return
	}
	total, _ := c.totals.of(0)
	total += c.totals[i].payload
	c.totals = append(c.totals[:i], c.totals[i+1:]...)
	c.totals.own(Dot{}, total)
}

func (c *counter) appendTo(b []byte) []byte { return appendAtoms(b, c.totals, appendVarint) }

func (c *counter) parse(r *reader, _ int) {
	c.totals = parseAtoms(r, 0, (*reader).varint)
	c.recount()
}
