package reminders_test

import (
	"context"
	"fmt"
	"iter"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/reminders"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/storage"
	"github.com/mallee-io/mallee/storage/pebble"
)

// counting counts the rows that are listed.
type counting struct {
	storage.Store
	rows atomic.Int64
}

func (c *counting) List(ctx context.Context, r storage.Range) iter.Seq2[storage.Row, error] {
	return func(yield func(storage.Row, error) bool) {
		for row, err := range c.Store.List(ctx, r) {
			c.rows.Add(1)
			if !yield(row, err) {
				return
			}
		}
	}
}

// Many reminders that sleep, as many as MALLEE_TEST_REMINDERS says, do not
// weigh on a process that starts: it reads the first one of each shard, and
// those that are due fire.
func TestManyReminders(t *testing.T) {
	t.Parallel()
	many := 2000
	if n, err := strconv.Atoi(os.Getenv("MALLEE_TEST_REMINDERS")); err == nil {
		many = n
	}
	db, err := pebble.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	store := &counting{Store: db}
	const due = 10
	fired := make(chan mallee.ID, due)
	typ := mallee.NewType(mallee.Interface{Name: "Sleeper"}, func(self *mallee.Self) any {
		return mallee.NewReminders(self, func(context.Context, mallee.Reminder) error {
			fired <- self.ID()
			return nil
		})
	})
	start := func() *node.Node {
		n, err := node.Start(t.Context(), node.Config{Types: []mallee.Type{typ}, Store: store})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	n := start()
	first := time.Now().Add(24 * time.Hour)
	soon := time.Now().Add(time.Duration(many)*100*time.Microsecond + 5*time.Second)
	var setters sync.WaitGroup
	const parallel = 128
	for i := range parallel {
		setters.Go(func() {
			for k := i; k < many; k += parallel {
				r := mallee.Reminder{Name: "r", First: first, Every: 24 * time.Hour}
				if k < due {
					r.First = soon
				}
				if err := (reminders.Service{Caller: n}).Set(t.Context(), mallee.ID{Type: "Sleeper", Key: fmt.Sprint(k)}, r); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	setters.Wait()
	t.Logf("%d reminders set in %v", many, time.Since(first.Add(-24*time.Hour)).Round(time.Millisecond))
	if err := n.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}

	store.rows.Store(0)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	goroutines, begin := runtime.NumGoroutine(), time.Now()
	n = start()
	took := time.Since(begin)
	for range due {
		<-fired
	}
	if rows := store.rows.Load(); rows > 5000 {
		t.Errorf("%d rows were read for %d reminders, of which %d were due", rows, many, due)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	t.Logf("started in %v; all that were due fired; %d rows read, %d goroutines more, %d KiB of heap more", took.Round(time.Microsecond), store.rows.Load(), runtime.NumGoroutine()-goroutines, (int64(after.HeapAlloc)-int64(before.HeapAlloc))/1024)
	if err := n.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}
