package gossip

import (
	"cmp"
	"slices"
	"time"

	"github.com/mallee-io/mallee/crdt"
)

// retained are batches that somebody may need: another node, or the store.
type retained struct {
	max, bytes int
	logs       map[crdt.ReplicaID][]*kept // of each replica, without a gap up to the last that has been seen
	all        []*kept                    // in the order in which they were seen; some are gone
	last       uint64
}

type kept struct {
	batch Batch
	order uint64
	gone  bool
}

// size is about the memory that a batch takes.
func (b *Batch) size() int {
	const fixed, entry = 128, 16
	n := fixed + len(b.Body)
	for range b.Seen.All() {
		n += entry
	}
	return n
}

// add takes the next batch of a replica.
func (r *retained) add(b *Batch) {
	log := r.logs[b.At.Replica]
	if n := len(log); n > 0 && log[n-1].batch.At.Seq+1 != b.At.Seq {
		r.forget(b.At.Replica) // a whole state came between
	}
	r.last++
	k := &kept{batch: *b, order: r.last}
	r.logs[b.At.Replica] = append(r.logs[b.At.Replica], k)
	r.all = append(r.all, k)
	r.bytes += b.size()
	for r.bytes > r.max && len(r.all) > 0 {
		oldest := r.all[0]
		r.drop(oldest.batch.At)
		r.trim()
	}
}

// drop drops a replica's batches up to one.
func (r *retained) drop(d crdt.Dot) {
	log := r.logs[d.Replica]
	n := 0
	for n < len(log) && log[n].batch.At.Seq <= d.Seq {
		r.bytes -= log[n].batch.size()
		log[n].gone, log[n].batch = true, Batch{}
		log[n] = nil
		n++
	}
	if n == len(log) {
		delete(r.logs, d.Replica)
	} else {
		r.logs[d.Replica] = log[n:]
	}
}

func (r *retained) forget(id crdt.ReplicaID) { r.drop(crdt.Dot{Replica: id, Seq: ^uint64(0)}) }

// trim lets go of what is gone.
func (r *retained) trim() {
	n := 0
	for n < len(r.all) && r.all[n].gone {
		r.all[n] = nil
		n++
	}
	r.all = r.all[n:]
}

// jump is called when a whole state was taken in: batches before those that came
// with it are not kept, and a log that ends earlier is no use.
func (r *retained) jump(c *crdt.Clock) {
	for id, log := range r.logs {
		if log[len(log)-1].batch.At.Seq != c.Seen(id) {
			r.forget(id)
		}
	}
	r.trim()
}

// after are a replica's batches after a number. False: some are not kept.
func (r *retained) after(id crdt.ReplicaID, seq uint64) ([]*kept, bool) {
	log := r.logs[id]
	if len(log) == 0 || log[0].batch.At.Seq > seq+1 {
		return nil, false
	}
	return log[min(seq+1-log[0].batch.At.Seq, uint64(len(log))):], true
}

// since are all batches that now covers and before does not, in the order in which
// they were seen. False: some are not kept.
func (r *retained) since(before, now *crdt.Clock) ([]Batch, bool) {
	var found []*kept
	for id, seq := range now.All() {
		if seq <= before.Seen(id) || before.Forgotten(id) {
			continue
		}
		log, ok := r.after(id, before.Seen(id))
		if !ok {
			return nil, false
		}
		found = append(found, log...)
	}
	slices.SortFunc(found, func(a, b *kept) int { return cmp.Compare(a.order, b.order) })
	batches := make([]Batch, len(found))
	for i, k := range found {
		batches[i] = k.batch
	}
	return batches, true
}

// Durable takes note of what the store has.
func (m *Machine) Durable(c *crdt.Clock) {
	m.store.Merge(c)
	m.prune()
}

// StoreHas is what the store has, as far as is known here.
func (m *Machine) StoreHas() crdt.Clock { return m.store.Clone() }

// Since gives the batches that lead from a clock to another one, which is what this
// node has seen, in an order in which they can be applied. What is open is sealed
// first. False: some are not kept any more. The batches must not be changed.
func (m *Machine) Since(now time.Duration, c *crdt.Clock) (batches []Batch, clock crdt.Clock, ok bool) {
	m.seal(now)
	batches, ok = m.retained.since(c, &m.clock)
	return batches, m.clock.Clone(), ok
}

// Keep keeps the batches that a clock does not cover for Since, within MaxRetained,
// also when all others have them; nil ends that.
func (m *Machine) Keep(since *crdt.Clock) { m.pinned = since }

// prune drops the batches that all members and the store have.
func (m *Machine) prune() {
	if m.live != len(m.order)+1 {
		return // this node is not a member, and does not know who is
	}
	for id, log := range m.retained.logs {
		seq := min(m.store.Seen(id), log[len(log)-1].batch.At.Seq)
		if m.pinned != nil && !m.pinned.Forgotten(id) {
			seq = min(seq, m.pinned.Seen(id))
		}
		for _, at := range m.order {
			row := m.row(at)
			switch {
			case row == nil:
				seq = 0
			case !row.clock.Forgotten(id):
				seq = min(seq, row.clock.Seen(id))
			}
		}
		if seq >= log[0].batch.At.Seq {
			m.retained.drop(crdt.Dot{Replica: id, Seq: seq})
		}
	}
	m.retained.trim()
}
