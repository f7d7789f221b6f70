package replicas

import (
	"context"

	"github.com/mallee-io/mallee/crdt"
	"github.com/mallee-io/mallee/internal/replicas/gossip"
	"github.com/mallee-io/mallee/storage"
)

// checkpoint writes all values, a row at a time, while they go on changing. Its rows
// and those of the log behind it are of the next generation: they mean nothing before
// the head says so, which comes last.
type checkpoint struct {
	ledger *ledger
	values *gossip.Values
	head   head       // as it will be
	base   crdt.Clock // before the first value was read
	old    []stored   // of the checkpoint that was in its place
	next   []byte     // of the row that is next
	bytes  int
	cursor string
	read   bool // all values
}

// begin begins a checkpoint where the last but one is.
func (l *ledger) begin(ctx context.Context, values *gossip.Values) (*checkpoint, error) {
	c := &checkpoint{ledger: l, values: values, head: l.head, base: values.Clock()}
	c.head.Generation++
	c.head.Rows, c.head.Clock = 0, c.base.Append(nil)
	for row, err := range l.store.List(ctx, storage.Range{Table: table, Key1: valuesKey(c.head.Generation)}) {
		if err != nil {
			return nil, err
		}
		c.old = append(c.old, stored{row.Key, row.Version})
	}
	return c, nil
}

// step writes or deletes a little. It reports whether all values have been written.
func (c *checkpoint) step(ctx context.Context) (done bool, err error) {
	switch {
	case len(c.old) > 0:
		c.old, err = c.ledger.remove(ctx, c.old)
		return false, err
	case len(c.next) >= maxRow, c.read && len(c.next) > 0:
		return false, c.put(ctx)
	case c.read:
		return true, nil
	}
	entries, cursor, err := c.values.Entries(c.cursor, maxRow)
	if err != nil {
		return false, err
	}
	for i := range entries {
		c.next = appendEntry(c.next, &entries[i])
	}
	c.cursor, c.read = cursor, cursor == ""
	return false, nil
}

// folded reports whether a replica has been removed since the checkpoint began: some
// values have been read before, others after it.
func (c *checkpoint) folded() bool {
	clock := c.values.Clock()
	for r := range c.base.All() {
		if clock.Forgotten(r) {
			return true
		}
	}
	return false
}

func (c *checkpoint) put(ctx context.Context) error {
	n := min(len(c.next), maxRow)
	c.head.Rows++
	row := storage.PutBytes(valuesRow(c.head.Generation, c.head.Rows), makeRow(c.next[:n]), 0)
	_, err := c.ledger.write(ctx, row)
	c.next, c.bytes = c.next[n:], c.bytes+n
	return err
}

// complete puts the checkpoint, and the batches that were seen since it began, in the
// place of the last one and its log.
func (l *ledger) complete(ctx context.Context, c *checkpoint, batches []gossip.Batch, clock *crdt.Clock) error {
	log, bytes, err := l.writeLog(ctx, c.head.Generation, 0, batches, clock)
	if err != nil {
		return err
	}
	c.head.Next, c.head.Given = l.head.Next, l.head.Given // as they are now
	if err := l.writeHead(ctx, c.head); err != nil {
		return err
	}
	l.stale = append(l.stale, l.log...)
	l.base, l.durable = c.base, clock.Clone()
	l.log, l.bytes, l.whole = log, bytes, c.bytes
	return nil
}
