package malleetest_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/malleetest"
	"github.com/mallee-io/mallee/malleetest/internal/tally"
)

// diary is what the runtime asks of the actors of a type, in its order.
type diary struct {
	mu      sync.Mutex
	lines   []string
	state   []byte // that SaveForMove returns
	save    error
	restore error
}

func (d *diary) note(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

func (d *diary) take() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	lines := d.lines
	d.lines = nil
	return lines
}

func (d *diary) typ() mallee.Type {
	return mallee.NewType(tally.TallyInterface(), func(self *mallee.Self) any {
		d.note("new")
		return &writer{tally.New(self), d}
	})
}

// writer is a Tally that keeps a diary.
type writer struct {
	tally.Tally
	*diary
}

func (w *writer) OnActivate(context.Context) error {
	w.note("activate")
	return nil
}

func (w *writer) OnDeactivate(_ context.Context, reason mallee.Reason) error {
	w.note("deactivate " + reason.String())
	return nil
}

func (w *writer) SaveForMove(context.Context) ([]byte, error) {
	w.note("save")
	return w.state, w.save
}

func (w *writer) RestoreAfterMove(_ context.Context, state []byte) error {
	w.note("restore " + string(state))
	return w.restore
}

func TestLifeOfAnActorThatMoves(t *testing.T) {
	t.Parallel()
	plain := []string{"new", "activate", "save", "deactivate migrating", "new", "activate"}
	for name, c := range map[string]struct {
		diary *diary
		want  []string
	}{
		"state":     {&diary{state: []byte("luggage")}, append(slices.Clone(plain), "restore luggage")},
		"none":      {&diary{}, append(slices.Clone(plain), "restore ")},
		"unsaved":   {&diary{save: errors.New("no")}, plain},
		"too large": {&diary{state: make([]byte, mallee.MaxMovedState+1)}, plain},
		"refused":   {&diary{state: []byte("x"), restore: errors.New("no")}, append(slices.Clone(plain), "restore x", "new", "activate")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				cluster := malleetest.Start(t, 2, c.diary.typ())
				actor := tally.TallyOf(cluster.Client(), "x")
				if _, _, err := actor.Add(t.Context(), "me"); err != nil {
					t.Fatal(err)
				}
				cluster.Migrate(actor.ID(), 1-cluster.Owner(actor.ID()))
				synctest.Wait()
				if lines := c.diary.take(); !slices.Equal(lines, c.want) {
					t.Errorf("got %q, want %q", lines, c.want)
				}
				if added, _, err := actor.Add(t.Context(), "me"); err != nil || added != 2 {
					t.Errorf("after the move: %d, %v", added, err)
				}
			})
		})
	}
}

// What an actor takes along goes to where it ends up, also when the node that
// was to have it cannot be reached or takes none.
func TestHandOverToANodeThatIsCutOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &diary{state: []byte("luggage")}
		c := malleetest.Start(t, 3, d.typ())
		actor := tally.TallyOf(c.Node(0), "x")
		if _, _, err := actor.Add(t.Context(), "me"); err != nil {
			t.Fatal(err)
		}
		owner := c.Owner(actor.ID())
		for i := range 3 {
			if i != owner {
				c.Partition(i) // nobody can take it, and the placement driver does not know
			}
		}
		c.Drain(owner)
		c.Heal()
		c.Uncordon(owner)
		d.take()
		if added, _, err := tally.TallyOf(c.Node(owner), "x").Add(t.Context(), "me"); err != nil || added != 2 {
			t.Errorf("%d, %v", added, err)
		}
	})
}

// A node that is alone has nobody to give its actors to: it keeps them and goes
// on.
func TestDrainWithoutAnotherNode(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := malleetest.Start(t, 1, tallies())
		actor := tally.TallyOf(c.Node(0), "x")
		if _, _, err := actor.Add(t.Context(), "me"); err != nil {
			t.Fatal(err)
		}
		drained := make(chan struct{})
		go func() {
			c.Drain(0)
			close(drained)
		}()
		time.Sleep(5 * time.Second)
		if s := c.Node(0).Stats(); s.Active != 1 || !s.Cordoned || !s.Draining {
			t.Errorf("%+v", s)
		}
		if added, _, err := actor.Add(t.Context(), "me"); err != nil || added != 2 {
			t.Errorf("%d, %v", added, err)
		}
		c.Uncordon(0)
		<-drained
		if added, _, err := actor.Add(t.Context(), "me"); err != nil || added != 3 {
			t.Errorf("%d, %v", added, err)
		}
	})
}
