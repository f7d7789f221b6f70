package entity_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/malleetest"
	"github.com/mallee-io/mallee/sidecar/internal/entity"
	"github.com/mallee-io/mallee/sidecar/internal/entity/rows"
	"github.com/mallee-io/mallee/storage"
)

func async(to ...string) (all []target) {
	for _, t := range to {
		all = append(all, target{To: t})
	}
	return all
}

func waiting(to ...string) (all []target) {
	for _, t := range to {
		all = append(all, target{To: t, Sync: true})
	}
	return all
}

// outbox lists the rows of what an entity has to carry out still.
func (w *world) outbox(service, id string) (keys []string) {
	w.t.Helper()
	at := storage.Range{Table: rows.Table("of-" + service), Key1: id, Prefix: rows.Outbox}
	for row, err := range w.Store().List(w.t.Context(), at) {
		if err != nil {
			w.t.Fatal(err)
		}
		keys = append(keys, row.Key.Key2)
	}
	return keys
}

// took returns, and forgets, the targets of what has been carried out.
func (r *router) took() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := strings.Join(r.arrived, " ")
	r.arrived = nil
	return all
}

func (r *router) do(f func(ctx context.Context, to string) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.does = f
}

// carriedOut waits until nothing is to be done, and compares what was.
func (w *world) carriedOut(want string) {
	w.t.Helper()
	synctest.Wait()
	if got := w.router.took(); got != want {
		w.t.Fatalf("carried out: %q, want %q", got, want)
	}
}

func (w *world) emptied(service, id string) {
	w.t.Helper()
	time.Sleep(time.Second)
	synctest.Wait()
	if left := w.outbox(service, id); len(left) > 0 {
		w.t.Fatalf("left in the outbox: %q", left)
	}
}

func TestEffectsAndForwards(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, malleetest.Local, nil)
		w.router.do(func(context.Context, string) error {
			if len(w.outbox(log, "1")) == 0 {
				t.Error("it is not recorded what is carried out")
			}
			return nil
		})
		w.gives(log, "1", script{Emit: []string{"a"}, Effects: waiting("x", "y"), Forward: &target{To: "z"}}, "forwarded to z")
		w.carriedOut("x y z")
		w.gives(log, "1", script{Effects: append(async("p"), waiting("q")...)}, "a")
		synctest.Wait()
		if got := strings.Fields(w.router.took()); !slices.Contains(got, "p") || !slices.Contains(got, "q") {
			t.Errorf("carried out: %q", got)
		}
		w.emptied(log, "1")
		w.router.do(nil)
		w.fails(cell, "1", script{Put: "a", Fail: "no", Effects: waiting("x")}, "no")
		w.carriedOut("x")
		w.gives(cell, "1", read, "a")
		w.fails(log, "1", script{Fail: "no", Restart: true, Effects: waiting("never")}, "no")
		w.carriedOut("")
		w.emptied(cell, "1")
	})
}

func TestAsynchronousEffectsAreNotWaitedFor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, malleetest.Local, nil)
		leave := make(chan struct{})
		w.router.do(func(context.Context, string) error { <-leave; return nil })
		w.gives(log, "1", script{Effects: async("x", "y")}, "")
		synctest.Wait()
		w.gives(log, "1", emit("a"), "a")
		if n := len(w.outbox(log, "1")); n != 2 {
			t.Errorf("%d are recorded", n)
		}
		close(leave)
		w.emptied(log, "1")
	})
}

// While a command waits for its effect, others are answered.
func TestCommandsInterleaveWithEffects(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, malleetest.Local, nil)
		w.router.do(func(ctx context.Context, _ string) error {
			w.router.do(nil)
			w.gives(log, "2", emit("b"), "b")
			return nil
		})
		w.gives(log, "1", script{Emit: []string{"a"}, Effects: waiting("x")}, "a")
	})
}

// The way to a synchronous effect fails the command, but what is recorded is
// carried out: the effect itself, again, and all that comes after it.
func TestSynchronousEffectDoesNotArrive(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, malleetest.Local, nil)
		w.router.do(func(_ context.Context, to string) error {
			if to == "y" {
				return mallee.ErrUnavailable.Errorf("no way")
			}
			return nil
		})
		_, err := w.run(log, "1", script{Emit: []string{"a"}, Effects: waiting("x", "y", "z"), Forward: &target{To: "f"}})
		if !errors.Is(err, mallee.ErrUnavailable) {
			t.Fatal(err)
		}
		synctest.Wait()
		got := strings.Fields(w.router.took())
		if slices.Sort(got); list(got) != "f,x,y,z" {
			t.Errorf("carried out: %q", got)
		}
		time.Sleep(1500 * time.Millisecond)
		w.carriedOut("y")
		w.router.do(nil)
		time.Sleep(2 * time.Second)
		w.carriedOut("y")
		w.emptied(log, "1")
		w.gives(log, "1", read, "a")
		if ids := w.router.ids; ids[1] != ids[len(ids)-1] || ids[0] == ids[1] || !strings.HasPrefix(ids[0], "of-test.Log/1/") {
			t.Errorf("ids: %q", ids)
		}
	})
}

// What can never succeed is given up.
func TestTargetThatIsNotThere(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, malleetest.Local, nil)
		w.router.do(func(context.Context, string) error { return mallee.ErrNotFound.Errorf("no such service") })
		if _, err := w.run(log, "1", script{Effects: waiting("x")}); !errors.Is(err, mallee.ErrNotFound) {
			t.Error(err)
		}
		if _, err := w.run(log, "1", script{Forward: &target{To: "x"}}); !errors.Is(err, mallee.ErrNotFound) {
			t.Error(err)
		}
		w.gives(log, "1", script{Effects: async("x")}, "")
		w.emptied(log, "1")
		w.carriedOut(strings.TrimSpace(strings.Repeat("x ", 3)))
	})
}

// A forward whose target answers with a failure is done.
func TestForwardFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, malleetest.Local, nil)
		w.router.do(func(context.Context, string) error { return mallee.NewError("shop.sold_out", "sold out") })
		if _, err := w.run(log, "1", script{Forward: &target{To: "x"}}); err == nil || err.Error() != "shop.sold_out: sold out" {
			t.Error(err)
		}
		w.emptied(log, "1")
		w.carriedOut("x")
	})
}

// The node dies after the write and before the effects are done. The next one
// carries them out, without a call, under the same ids.
func TestOutboxOutlivesItsNode(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, malleetest.Clustered, nil)
		leave := make(chan struct{})
		w.router.do(func(ctx context.Context, _ string) error {
			select {
			case <-leave:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		id := ""
		for _, id = range []string{"1", "2", "3", "4", "5", "6"} {
			if w.Owner(mallee.ID{Type: log, Key: id}) == 2 {
				break
			}
		}
		w.gives(log, id, script{Emit: []string{"a"}, Effects: async("x")}, "a")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := w.runWithin(ctx, log, id, script{Emit: []string{"b"}, Forward: &target{To: "y"}}); !errors.Is(err, mallee.ErrTimeout) {
			t.Fatal(err)
		}
		w.carriedOut("x y")
		w.Kill(2)
		w.router.do(nil)
		ids := slices.Clone(w.router.ids)
		close(leave)
		time.Sleep(5 * time.Minute)
		w.emptied(log, id)
		w.carriedOut("x y")
		if again := w.router.ids[len(ids):]; !slices.Equal(again, ids) {
			t.Errorf("ids %q, then %q", ids, again)
		}
		w.gives(log, id, read, "a,b")
	})
}

func TestOutboxIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, malleetest.Local, func(c *entity.Config) { c.MaxOutgoing = 100 })
		w.router.do(func(ctx context.Context, _ string) error { return mallee.ErrUnavailable.Errorf("no way") })
		var many []target
		for range 60 {
			many = append(many, target{To: "x"})
		}
		w.gives(log, "1", script{Emit: []string{"a"}, Effects: many}, "a")
		if _, err := w.run(log, "1", script{Emit: []string{"lost"}, Effects: many}); !errors.Is(err, mallee.ErrOverloaded) {
			t.Error(err)
		}
		w.gives(log, "1", emit("b"), "a,b")
		w.router.do(nil)
		time.Sleep(5 * time.Minute)
		w.emptied(log, "1")
		w.gives(log, "1", script{Effects: many}, "a,b")
	})
}
