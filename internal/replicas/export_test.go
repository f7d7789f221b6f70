package replicas

import (
	"context"

	"github.com/mallee-io/mallee/crdt"
	"github.com/mallee-io/mallee/internal/replicas/gossip"
	"github.com/mallee-io/mallee/storage"
)

// Table is where everything is kept.
const Table = table

// Ledger is the keeper's.
type (
	Ledger     = ledger
	Checkpoint = checkpoint
)

// OpenLedger opens one.
var OpenLedger = openLedger

func (l *Ledger) Durable() crdt.Clock { return l.durable }

func (l *Ledger) Load(ctx context.Context) (*gossip.Values, error) { return l.load(ctx) }

func (l *Ledger) Give(ctx context.Context) (crdt.ReplicaID, error) { return l.give(ctx) }

func (l *Ledger) Append(ctx context.Context, batches []gossip.Batch, clock *crdt.Clock) error {
	return l.append(ctx, batches, clock)
}

func (l *Ledger) Begin(ctx context.Context, v *gossip.Values) (*Checkpoint, error) {
	return l.begin(ctx, v)
}

func (l *Ledger) Complete(ctx context.Context, c *Checkpoint, batches []gossip.Batch, clock *crdt.Clock) error {
	return l.complete(ctx, c, batches, clock)
}

func (l *Ledger) Clean(ctx context.Context) (left int, err error) {
	err = l.clean(ctx)
	return len(l.stale), err
}

func (c *Checkpoint) Step(ctx context.Context) (done bool, err error) { return c.step(ctx) }

func (c *Checkpoint) Base() *crdt.Clock { return &c.base }

// ReadLogRow reads what is behind the header of a row of the log.
func ReadLogRow(value []byte) error {
	_, _, _, err := parseLogRow(storage.Row{Key: headKey, Value: makeRow(value)}, headKey)
	return err
}

// ReadHead reads a head.
func ReadHead(value []byte) error {
	_, _, err := parseHead(storage.Row{Key: headKey, Value: value})
	return err
}

var (
	AppendEntry = appendEntry
	CutEntries  = cutEntries
)
