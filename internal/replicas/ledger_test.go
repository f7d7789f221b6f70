package replicas_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/mallee-io/mallee/crdt"
	"github.com/mallee-io/mallee/internal/replicas"
	"github.com/mallee-io/mallee/internal/replicas/gossip"
	"github.com/mallee-io/mallee/storage"
	"github.com/mallee-io/mallee/storage/pebble"
)

var errCut = errors.New("the process has ended here")

// run is a process that changes values and writes them, until it is cut.
type run struct {
	t      *testing.T
	store  storage.Store
	epoch  uint64
	left   int // writes before it is cut; negative: never
	writes int

	random   *rand.Rand
	values   *gossip.Values
	batches  []gossip.Batch // all that were sealed
	ledger   *replicas.Ledger
	open     *replicas.Checkpoint
	promised crdt.Clock // what an append or a checkpoint has returned for
}

func (r *run) write(ctx context.Context, ops ...storage.Op) ([]uint64, error) {
	if r.left == 0 {
		return nil, errCut
	}
	r.left--
	r.writes++
	return r.store.Apply(ctx, r.epoch, ops...)
}

// script does the same for the same seed, as far as it gets.
func (r *run) script(ctx context.Context, steps int) (err error) {
	if r.ledger, err = replicas.OpenLedger(ctx, r.store, r.write); err != nil {
		return err
	}
	id, err := r.ledger.Give(ctx)
	if err != nil {
		return err
	}
	r.values.Begin(id)
	for range steps {
		if err := r.step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) step(ctx context.Context) error {
	switch n := r.random.IntN(10); {
	case n < 5:
		r.change()
		return nil
	case n < 7:
		batches, clock := r.since(new(r.ledger.Durable()))
		if err := r.ledger.Append(ctx, batches, &clock); err != nil {
			return err
		}
		r.promised = clock
		return nil
	case r.open != nil:
		return r.advance(ctx)
	}
	if left, err := r.ledger.Clean(ctx); err != nil || left > 0 {
		return err
	}
	var err error
	r.open, err = r.ledger.Begin(ctx, r.values)
	return err
}

func (r *run) advance(ctx context.Context) error {
	done, err := r.open.Step(ctx)
	if err != nil || !done {
		return err
	}
	c := r.open
	r.open = nil
	batches, clock := r.since(c.Base())
	if err := r.ledger.Complete(ctx, c, batches, &clock); err != nil {
		return err
	}
	r.promised = clock
	return nil
}

// since is what a machine would give.
func (r *run) since(c *crdt.Clock) (batches []gossip.Batch, clock crdt.Clock) {
	r.batches = append(r.batches, r.values.Seal()...)
	clock = c.Clone()
	for _, b := range r.batches {
		if !c.Covers(b.At) {
			batches = append(batches, b)
			clock.See(b.At)
		}
	}
	return batches, clock
}

func (r *run) change() {
	name := fmt.Sprint("v", r.random.IntN(12))
	cell := r.values.Open(name)
	element := fmt.Sprint(r.random.IntN(5))
	var err error
	switch r.random.IntN(6) {
	case 0:
		_, err = cell.Count(crdt.KindPNCounter, r.random.Int64N(9)-4)
	case 1:
		d := &crdt.Delta{Kind: crdt.KindORSet, Added: []string{element}}
		if r.random.IntN(3) == 0 { // two of them are too large for one row
			d.Added = []string{strings.Repeat(element, 150<<10)}
		}
		err = cell.Change(d)
	case 2:
		err = cell.Change(&crdt.Delta{Kind: crdt.KindORSet, Removed: []string{element}})
	case 3:
		size := 20
		if r.random.IntN(6) == 0 {
			size = 300 << 10 // more than a row has
		}
		err = cell.Change(&crdt.Delta{Kind: crdt.KindRegister, Value: strings.Repeat(element, size)})
	case 4:
		if r.random.IntN(4) == 0 {
			err = cell.Delete()
		}
	default:
		r.batches = append(r.batches, r.values.Seal()...)
	}
	for _, refused := range []error{crdt.ErrDeleted, crdt.ErrKind} {
		if errors.Is(err, refused) {
			err = nil
		}
	}
	if err != nil {
		r.t.Error(err)
	}
}

func newRun(t *testing.T, store storage.Store, seed uint64, left int) *run {
	clock := int64(0)
	return &run{
		t: t, store: store, epoch: 1, left: left, random: rand.New(rand.NewPCG(seed, 1)),
		values: gossip.NewValues(func() int64 { clock++; return clock }),
	}
}

// check opens what a process has left, as the next one does.
func (r *run) check(ctx context.Context) {
	r.t.Helper()
	write := func(ctx context.Context, ops ...storage.Op) ([]uint64, error) {
		return r.store.Apply(ctx, r.epoch+1, ops...)
	}
	l, err := replicas.OpenLedger(ctx, r.store, write)
	if err != nil {
		r.t.Fatal(err)
	}
	loaded, err := l.Load(ctx)
	if err != nil {
		r.t.Fatalf("after %d writes: %v", r.writes, err)
	}
	durable := l.Durable()
	if !durable.Includes(&r.promised) {
		r.t.Fatalf("after %d writes the store has %v, and %v was promised", r.writes, durable, r.promised)
	}
	want := gossip.NewStaged(&crdt.Clock{})
	r.since(&durable)
	for i := range r.batches {
		if b := &r.batches[i]; durable.Covers(b.At) {
			want.Learn(&b.Seen)
			if early, err := want.Apply(b); early || err != nil {
				r.t.Fatal(early, err)
			}
		}
	}
	if got, want := contents(r.t, loaded), contents(r.t, want); !slices.Equal(got, want) {
		r.t.Fatalf("after %d writes the store has\n%.999q, and its clock says\n%.999q", r.writes, got, want)
	}
	if _, err := r.ledger.Give(ctx); r.ledger != nil && err == nil && r.left != 0 {
		r.t.Errorf("an earlier keeper still writes")
	}
	id, err := l.Give(ctx)
	if err != nil || id < 1 {
		r.t.Errorf("replica %d, %v", id, err)
	}
}

func contents(t *testing.T, v *gossip.Values) (all []string) {
	t.Helper()
	for cursor, first := "", true; first || cursor != ""; first = false {
		entries, next, err := v.Entries(cursor, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			all = append(all, fmt.Sprintf("%s %t %q", e.Name, e.Deleted, e.State))
		}
		cursor = next
	}
	slices.Sort(all)
	return all
}

// A process may end after any of its writes: what is in the store then is what a
// clock says, and no less than was promised.
func TestLedgerCutAfterEachWrite(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			for left, more := 1, true; more; left++ {
				r := newRun(t, storage.Memory(), seed, left)
				err := r.script(t.Context(), 100)
				if more = errors.Is(err, errCut); !more && err != nil {
					t.Fatal(err)
				}
				r.check(t.Context())
			}
		})
	}
}

func TestLedgerOnPebble(t *testing.T) {
	t.Parallel()
	for _, left := range []int{1, 3, 7, 12, 20, -1} {
		dir := t.TempDir()
		db, err := pebble.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		r := newRun(t, db, 7, left)
		if err := r.script(t.Context(), 200); err != nil && !errors.Is(err, errCut) {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if r.store, err = pebble.Open(dir); err != nil {
			t.Fatal(err)
		}
		r.check(t.Context())
		if err := r.store.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// What cannot be read is an error, and never less than there was.
func TestDamagedRows(t *testing.T) {
	t.Parallel()
	whole := storage.Memory()
	r := newRun(t, whole, 8, -1) // nothing is left over then
	if err := r.script(t.Context(), 200); err != nil {
		t.Fatal(err)
	}
	var rows []storage.Row
	for row, err := range whole.Scan(t.Context(), storage.Key{Table: replicas.Table}) {
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	damage := map[string]func(value []byte) []byte{
		"empty":          func([]byte) []byte { return nil },
		"later version":  func(v []byte) []byte { return append([]byte{9}, v[1:]...) },
		"cut":            func(v []byte) []byte { return v[:len(v)-1] },
		"longer":         func(v []byte) []byte { return append(slices.Clone(v), 7) },
		"a bit else":     func(v []byte) []byte { return append(slices.Clone(v[:len(v)-1]), v[len(v)-1]^1) },
		"there no more":  nil,
		"another's kind": func(v []byte) []byte { return append([]byte{v[0], 7}, v[2:]...) },
	}
	for name, f := range damage {
		for i := range rows {
			copied := storage.Memory()
			for j, row := range rows {
				op := storage.Op{Key: row.Key, Value: row.Value, Encoding: row.Encoding}
				if i == j {
					if f == nil {
						continue
					}
					op.Value, op.Encoding = f(row.Value), storage.Bytes
				}
				if _, err := copied.Apply(t.Context(), 1, op); err != nil {
					t.Fatal(err)
				}
			}
			broken := &run{t: t, store: copied, epoch: 2, left: -1, values: r.values, batches: r.batches}
			if err := broken.opens(t.Context()); err == nil {
				if rows[i].Key.Key2 == "head" && f == nil {
					continue // then nothing has ever been there
				}
				t.Errorf("the row %s is %s, and everything is taken for right", rows[i].Key, name)
			} else if !strings.Contains(err.Error(), "replicas/") {
				t.Errorf("the row %s is %s: %v", rows[i].Key, name, err)
			}
		}
	}
}

// opens reports whether all that is there can be loaded.
func (r *run) opens(ctx context.Context) error {
	l, err := replicas.OpenLedger(ctx, r.store, r.write)
	if err != nil {
		return err
	}
	_, err = l.Load(ctx)
	return err
}
