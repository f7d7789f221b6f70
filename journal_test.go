package mallee_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/storage"
)

type (
	purse     struct{ Coins, Events int }
	purseItem interface{ coins() int }
	earned    struct{ Coins int }
	spent     struct {
		Coins int
		On    string
	}
	spentV1 struct{ Amount int }
)

func (e earned) coins() int { return e.Coins }
func (e spent) coins() int  { return -e.Coins }

func (p *purse) apply(e purseItem) {
	p.Coins += e.coins()
	p.Events++
}

var purseEvents = mallee.NewEvents((*purse).apply,
	mallee.EventOf[earned, purseItem]("earned", 1),
	mallee.EventOf[spent, purseItem]("spent", 2),
	mallee.Upcast("spent", 1, func(old spentV1) purseItem { return spent{Coins: old.Amount, On: "something"} }),
)

type miser struct {
	purse *mallee.Journal[purse, purseItem]
}

func newMiser(events *mallee.Events[purse, purseItem]) func(*mallee.Self) *miser {
	return func(self *mallee.Self) *miser { return &miser{mallee.NewJournal(self, "purse", events)} }
}

func purseKey(key2 string) storage.Key {
	return storage.Key{Table: "journal.Probe.purse", Key1: "a", Key2: key2}
}

func putEvents(t *testing.T, s storage.Store, values ...string) {
	t.Helper()
	for i, value := range values {
		if _, err := s.Apply(t.Context(), 0, storage.Put(purseKey(fmt.Sprintf("%019d", i+1)), []byte(value), 0)); err != nil {
			t.Fatal(err)
		}
	}
}

// Whatever is appended, and however often the actor starts anew, with
// snapshots or without, state and history are those of the events.
func TestJournalProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		store := storage.Memory()
		want, history := purse{}, []purseItem(nil)
		for range rapid.IntRange(1, 4).Draw(r, "lives") {
			events := purseEvents
			if every := rapid.IntRange(0, 5).Draw(r, "snapshot every"); every > 0 {
				events = events.Snapshots(every, rapid.IntRange(1, 2).Draw(r, "state version"))
			}
			run := probe(t, store, newMiser(events))
			for range rapid.IntRange(0, 5).Draw(r, "appends") {
				batch := rapid.SliceOfN(rapid.Custom(func(r *rapid.T) purseItem {
					if coins := rapid.IntRange(1, 9).Draw(r, "coins"); rapid.Bool().Draw(r, "earn") {
						return earned{coins}
					}
					return spent{rapid.IntRange(1, 9).Draw(r, "coins"), "bread"}
				}), 0, 4).Draw(r, "batch")
				if err := run(func(ctx context.Context, m *miser) error { return m.purse.Append(ctx, batch...) }); err != nil {
					r.Fatal(err)
				}
				for _, e := range batch {
					want.apply(e)
				}
				history = append(history, batch...)
			}
			from := rapid.IntRange(0, len(history)+2).Draw(r, "from")
			err := run(func(ctx context.Context, m *miser) error {
				if m.purse.State != want || m.purse.Sequence() != uint64(len(history)) {
					r.Errorf("state %+v after %d events, want %+v after %d", m.purse.State, m.purse.Sequence(), want, len(history))
				}
				var got []purseItem
				for e, err := range m.purse.Events(ctx, uint64(from)) {
					if err != nil {
						return err
					}
					got = append(got, e)
				}
				if rest := history[min(max(from-1, 0), len(history)):]; len(got)+len(rest) > 0 && !reflect.DeepEqual(got, rest) {
					r.Errorf("events from %d: %v, want %v", from, got, rest)
				}
				return nil
			})
			if err != nil {
				r.Fatal(err)
			}
		}
	})
}

func TestJournalUpcasts(t *testing.T) {
	t.Parallel()
	store := storage.Memory()
	putEvents(t, store, `{"event":"earned","version":1,"data":{"Coins":5}}`, `{"version":1, "data":{"Amount":2}, "event":"spent"}`)
	err := probe(t, store, newMiser(purseEvents))(func(ctx context.Context, m *miser) error {
		if m.purse.State.Coins != 3 {
			t.Errorf("state %+v", m.purse.State)
		}
		return m.purse.Append(ctx, spent{1, "bread"})
	})
	if err != nil {
		t.Fatal(err)
	}
	row, err := store.Get(t.Context(), purseKey("0000000000000000003"))
	if err != nil || string(row.Value) != `{"event":"spent","version":2,"data":{"Coins":1,"On":"bread"}}` {
		t.Errorf("%s, %v", row.Value, err)
	}
}

// A history that the program cannot read fails the activation, says where, and
// is left as it is.
func TestJournalsThatCannotBeReplayed(t *testing.T) {
	t.Parallel()
	first := `{"event":"earned","version":1,"data":{"Coins":5}}`
	for name, test := range map[string]struct {
		change func(t *testing.T, s storage.Store)
		want   string
	}{
		"unknown event": {func(t *testing.T, s storage.Store) {
			putEvents(t, s, first, `{"event":"stolen","version":3,"data":{}}`)
		}, `event 2: this program does not know "stolen" version 3`},
		"newer version": {func(t *testing.T, s storage.Store) { putEvents(t, s, first, `{"event":"spent","version":3,"data":{}}`) }, `event 2: this program does not know "spent" version 3`},
		"undecodable": {func(t *testing.T, s storage.Store) {
			putEvents(t, s, `{"event":"earned","version":1,"data":{"Coins":"x"}}`)
		}, `event 1: decode "earned" version 1`},
		"without data":    {func(t *testing.T, s storage.Store) { putEvents(t, s, `{"event":"earned","version":1}`) }, "event 1: it has no data"},
		"no event at all": {func(t *testing.T, s storage.Store) { putEvents(t, s, `[1]`) }, "event 1: json"},
		"a gap": {func(t *testing.T, s storage.Store) {
			putEvents(t, s, first, first, first)
			row, err := s.Get(t.Context(), purseKey("0000000000000000002"))
			if err == nil {
				_, err = s.Apply(t.Context(), 0, storage.Delete(row.Key, row.Version))
			}
			if err != nil {
				t.Fatal(err)
			}
		}, "event 2 is missing"},
		"snapshot": {func(t *testing.T, s storage.Store) {
			if _, err := s.Apply(t.Context(), 0, storage.Put(purseKey("!snapshot"), []byte(`{"sequence":1,"version":1,"state":{"Coins":"x"}}`), 0)); err != nil {
				t.Fatal(err)
			}
		}, "read snapshot of journal purse of Probe/a: decode into"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := storage.Memory()
			test.change(t, store)
			before := dump(t, store)
			err := probe(t, store, newMiser(purseEvents.Snapshots(2, 1)))(func(context.Context, *miser) error {
				t.Error("the actor was activated")
				return nil
			})
			if !errors.Is(err, mallee.ErrActivation) || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "purse of Probe/a") {
				t.Errorf("got %v, want %s", err, test.want)
			}
			if after := dump(t, store); !reflect.DeepEqual(before, after) {
				t.Errorf("the store was touched: %v, was %v", after, before)
			}
		})
	}
}

// dump reads what actors have stored.
func dump(t *testing.T, s storage.Store) (all []storage.Row) {
	t.Helper()
	for row, err := range s.Scan(t.Context(), storage.Key{}) {
		if err != nil {
			t.Fatal(err)
		}
		if row.Key.Table != "placement" {
			all = append(all, row)
		}
	}
	return all
}

// An actor that reads its history is told what is wrong with it, too.
func TestHistoryThatIsDamaged(t *testing.T) {
	t.Parallel()
	store := storage.Memory()
	run := probe(t, store, newMiser(purseEvents))
	err := run(func(ctx context.Context, m *miser) error {
		if err := m.purse.Append(ctx, earned{1}, earned{2}); err != nil {
			return err
		}
		row, err := store.Get(ctx, purseKey("0000000000000000002"))
		if err == nil {
			_, err = store.Apply(ctx, row.Epoch, storage.Put(row.Key, []byte(`{"event":"lost"}`), row.Version))
		}
		if err != nil {
			return err
		}
		n := 0
		for e, err := range m.purse.Events(ctx, 1) {
			if err != nil {
				return err
			}
			if n++; e != (earned{1}) {
				t.Errorf("event %d is %v", n, e)
			}
		}
		return nil
	})
	if !errors.Is(err, mallee.ErrStorage) || !strings.Contains(err.Error(), `event 2: this program does not know "lost"`) {
		t.Errorf("got %v", err)
	}
}

// Events that are not stored are not applied.
func TestJournalRefusals(t *testing.T) {
	t.Parallel()
	store := &failing{Store: storage.Memory()}
	run := probe(t, store, newMiser(purseEvents))
	appendOne := func(ctx context.Context, m *miser) error { return m.purse.Append(ctx, earned{1}) }
	if err := run(appendOne); err != nil {
		t.Fatal(err)
	}
	store.next = []error{storage.ErrUnavailable}
	err := run(func(ctx context.Context, m *miser) error {
		err := m.purse.Append(ctx, earned{1})
		if m.purse.State.Coins != 1 || m.purse.Sequence() != 1 {
			t.Errorf("an event that was not stored was applied: %+v", m.purse.State)
		}
		return err
	})
	if !errors.Is(err, mallee.ErrStorage) || mallee.SafeToRetry(err) {
		t.Errorf("got %v", err)
	}
	type other struct{ earned }
	err = run(func(ctx context.Context, m *miser) error { return m.purse.Append(ctx, earned{1}, other{}) })
	if !errors.Is(err, mallee.ErrInvalid) || !strings.Contains(err.Error(), "other was not given to NewEvents") {
		t.Errorf("got %v", err)
	}
	// An owner that has lost its actor meets the event of the present one.
	putEventsOfAnother := storage.Put(purseKey("0000000000000000002"), []byte(`{"event":"earned","version":1,"data":{"Coins":9}}`), 0)
	if _, err := store.Apply(t.Context(), 1<<40, putEventsOfAnother); err != nil {
		t.Fatal(err)
	}
	if err := run(appendOne); !errors.Is(err, mallee.ErrFenced) || !mallee.SafeToRetry(err) {
		t.Errorf("got %v", err)
	}
	err = run(func(_ context.Context, m *miser) error {
		if m.purse.State.Coins != 10 {
			t.Errorf("state %+v", m.purse.State)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// A journal of one kind of event needs no interface.
func TestJournalOfOneType(t *testing.T) {
	t.Parallel()
	type sums struct{ journal *mallee.Journal[int, earned] }
	events := mallee.NewEvents(func(sum *int, e earned) { *sum += e.Coins }, mallee.EventOf[earned, earned]("earned", 1))
	store := storage.Memory()
	for life := range 3 {
		err := probe(t, store, func(self *mallee.Self) *sums { return &sums{mallee.NewJournal(self, "sum", events)} })(func(ctx context.Context, s *sums) error {
			if s.journal.State != 5*life {
				t.Errorf("life %d begins with %d", life, s.journal.State)
			}
			return s.journal.Append(ctx, earned{2}, earned{3})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestEventsThatContradict(t *testing.T) {
	t.Parallel()
	one := mallee.EventOf[earned, purseItem]("earned", 1)
	for name, make := range map[string]func(){
		"twice":       func() { mallee.NewEvents((*purse).apply, one, one) },
		"one type":    func() { mallee.NewEvents((*purse).apply, one, mallee.EventOf[earned, purseItem]("earned", 2)) },
		"no name":     func() { mallee.NewEvents((*purse).apply, mallee.EventOf[earned, purseItem]("", 1)) },
		"version 0":   func() { mallee.NewEvents((*purse).apply, mallee.EventOf[earned, purseItem]("earned", 0)) },
		"not its own": func() { mallee.EventOf[purse, purseItem]("purse", 1) },
		"another one": func() { mallee.EventOf[purse, earned]("purse", 1) },
		"interface":   func() { mallee.EventOf[purseItem, purseItem]("purse", 1) },
		"snapshots":   func() { purseEvents.Snapshots(0, 1) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			make()
		}()
	}
}
