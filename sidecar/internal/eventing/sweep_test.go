package eventing_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/mallee-io/mallee/sidecar/internal/entity/rows"
	"github.com/mallee-io/mallee/storage"
)

// Entities that nobody has activated since their events were written.
func (w *world) forget(t *testing.T, cart string, events int) {
	for n := range events {
		op, err := rows.Put(storage.Key{Table: rows.Table("carts"), Key1: cart, Key2: rows.EventKey(uint64(n + 1))}, &anypb.Any{TypeUrl: added}, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Store().Apply(t.Context(), 0, op); err != nil {
			t.Fatal(err)
		}
	}
}

func TestANewGroupGetsOldEvents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, model(t, "Cart", "Mail", "Stock"))
		const carts, events = 250, 3
		for n := range carts {
			w.forget(t, fmt.Sprint("cart", n), events)
		}
		w.start()
		defer w.stop()
		time.Sleep(time.Minute)
		if n := len(w.function.all()); n != 2*carts*events {
			t.Errorf("%d deliveries", n)
		}
	})
}

func TestForgottenEventsComeAtLast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, model(t, "Cart", "Mail"))
		w.start()
		defer w.stop()
		time.Sleep(time.Minute)
		w.forget(t, "one", 1)
		time.Sleep(30 * time.Minute)
		if got := w.function.all(); len(got) != 0 {
			t.Errorf("%q before a sweep", got)
		}
		time.Sleep(time.Hour)
		if got := w.function.all(); len(got) != 1 {
			t.Errorf("%q after a sweep", got)
		}
	})
}
