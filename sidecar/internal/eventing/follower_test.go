package eventing_test

import (
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/sidecar/internal/command"
)

func TestAnEventGoesToTheMethodThatTakesIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 2, model(t, "Cart", "Mail"))
		w.start()
		defer w.stop()
		for _, typeURL := range []string{added, removed, "json.cloudstate.io/added", "p.cloudstate.io/string"} {
			if err := w.add(t.Context(), "one", typeURL); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait() // no time passes
		want := []string{"Mail.OnAdded 1 one", "Mail.OnOther 2 one", "Mail.OnOther 3 one", "Mail.OnOther 4 one"}
		if got := w.function.all(); !reflect.DeepEqual(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		c := w.function.got[1]
		if c.Payload.TypeURL != removed || string(c.Payload.Value) != "\x0a\x01x" {
			t.Errorf("the payload is %v", c.Payload)
		}
		if want := (command.Metadata{
			{Key: "ce-id", Text: "2"},
			{Key: "ce-source", Text: "carts"},
			{Key: "ce-specversion", Text: "1.0"},
			{Key: "ce-type", Text: removed},
			{Key: "ce-subject", Text: "one"},
			{Key: "Content-Type", Text: "application/vnd.cloudstate.protobuf.any"},
		}); !reflect.DeepEqual(c.Metadata, want) {
			t.Errorf("the metadata are %v", c.Metadata)
		}
	})
}

// Where nothing is published a failure is an answer; otherwise the event comes
// again, and stops only its own consumer.
func TestFailures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, model(t, "Cart", "Mail", "Stock"))
		w.function.answer = func(string) error { return command.Failed("no") }
		w.start()
		defer w.stop()
		for range 2 {
			if err := w.add(t.Context(), "one", added); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if n := w.count("Mail.OnAdded 2 one"); n != 1 {
			t.Errorf("the second event came %d times to the consumer without output", n)
		}
		if n, m := w.count("Stock.OnAdded 1 one"), w.count("Stock.OnAdded 2 one"); n != 1 || m != 0 {
			t.Errorf("the events came %d and %d times to the consumer with output", n, m)
		}
		time.Sleep(15 * time.Minute)
		if n, m := w.count("Stock.OnAdded 1 one"), w.count("Stock.OnAdded 2 one"); n != 10 || m != 10 {
			t.Errorf("in the end they came %d and %d times", n, m)
		}
		if len(w.reports) != 2 {
			t.Errorf("%d reports", len(w.reports))
		}
	})
}

func TestWhatIsBetweenAnEventAndItsMethodMayFailForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, model(t, "Cart", "Mail"))
		back := time.Now().Add(5 * time.Hour)
		w.function.answer = func(string) error {
			if time.Now().Before(back) {
				return mallee.ErrUnavailable.Errorf("the user function cannot be reached")
			}
			return nil
		}
		w.start()
		defer w.stop()
		for range 2 {
			if err := w.add(t.Context(), "one", added); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(6 * time.Hour)
		if n := w.count("Mail.OnAdded 2 one"); n != 1 {
			t.Errorf("the second event came %d times", n)
		}
	})
}

func TestAnEventThatNoMethodTakesIsSetAside(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, model(t, "Cart", "Stock"))
		w.start()
		defer w.stop()
		for _, typeURL := range []string{added, removed, added} {
			if err := w.add(t.Context(), "one", typeURL); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if got, want := w.function.all(), []string{"Stock.OnAdded 1 one", "Stock.OnAdded 3 one"}; !reflect.DeepEqual(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		want := "The consumer of event log carts for stock goes on without event 2 of shop.Cart/one: not_found: no method takes events of type " + removed + ": add one to the user function, or one that takes google.protobuf.Any"
		if got := <-w.reports; got != want {
			t.Errorf("reported %q", got)
		}
		if rows := w.rows(t, "x/"); len(rows) != 1 || rows[0] != "x/0000000000000002/stock" {
			t.Errorf("rows %q", rows)
		}
	})
}

// A command does not wait for consumers, nor these for it.
func TestCommandsDoNotWaitForConsumers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, model(t, "Cart", "Mail"))
		goOn := make(chan struct{})
		w.function.answer = func(string) error { <-goOn; return nil }
		w.start()
		defer w.stop()
		for range 3 {
			if err := w.add(t.Context(), "one", added); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if got := w.function.all(); len(got) != 1 {
			t.Errorf("%q are under way at once", got)
		}
		close(goOn)
		synctest.Wait()
		if got := w.function.all(); len(got) != 3 {
			t.Errorf("in the end %q", got)
		}
	})
}
