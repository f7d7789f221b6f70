package mallee_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/malleetest"
	"github.com/mallee-io/mallee/storage"
)

// sleeper is an actor with reminders; what they do is up to the test.
type sleeper struct {
	self      *mallee.Self
	reminders mallee.Reminders
}

func newSleeper(fire func(context.Context, mallee.Reminder) error) func(*mallee.Self) *sleeper {
	return func(self *mallee.Self) *sleeper {
		return &sleeper{self, mallee.NewReminders(self, fire)}
	}
}

func set(r mallee.Reminder) func(context.Context, *sleeper) error {
	return func(ctx context.Context, s *sleeper) error { return s.reminders.Set(ctx, r) }
}

// firing is one turn of a reminder.
type firing struct {
	after  time.Duration // since the test began
	due    time.Duration
	missed int
}

// firings are those so far.
type firings struct {
	mu  sync.Mutex
	all []firing
}

func (f *firings) list() []firing {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.all)
}

// record fires into a list, after which it returns what the test wants.
func record(begin time.Time, f *firings, result func(n int) error) func(context.Context, mallee.Reminder) error {
	return func(_ context.Context, r mallee.Reminder) error {
		f.mu.Lock()
		f.all = append(f.all, firing{time.Since(begin).Round(time.Second), r.Due.Sub(begin), r.Missed})
		n := len(f.all)
		f.mu.Unlock()
		return result(n)
	}
}

func fine(int) error { return nil }

func TestRemindersDoNotDrift(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var fired firings
		run := probe(t, storage.Memory(), newSleeper(record(begin, &fired, func(n int) error {
			time.Sleep(time.Duration(n%3) * time.Second) // the turns take their time
			return nil
		})))
		if err := run(set(mallee.Reminder{Name: "r", First: begin.Add(7 * time.Second), Every: 10 * time.Minute})); err != nil {
			t.Fatal(err)
		}
		time.Sleep(6 * time.Hour) // longer than the actor and its shard stay active
		got := fired.list()
		if len(got) != 36 {
			t.Fatalf("%d firings", len(got))
		}
		for n, f := range got {
			if want := 7*time.Second + time.Duration(n)*10*time.Minute; f != (firing{want, want, 0}) {
				t.Errorf("firing %d: %+v, want at %v", n, f, want)
			}
		}
	})
}

func TestReminderThatComesOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var fired firings
		run := probe(t, storage.Memory(), newSleeper(record(begin, &fired, fine)))
		for _, r := range []mallee.Reminder{
			{Name: "b", First: begin.Add(time.Hour)},
			{Name: "a", First: begin.Add(2 * time.Hour)},
			{Name: "cancelled", First: begin.Add(time.Hour)},
			{Name: "replaced", First: begin.Add(time.Hour)},
			{Name: "replaced", First: begin.Add(3 * time.Hour)},
			{Name: "past", First: begin.Add(-time.Hour)},
		} {
			if err := run(set(r)); err != nil {
				t.Fatal(err)
			}
		}
		cancel := func(ctx context.Context, s *sleeper) error { return s.reminders.Cancel(ctx, "cancelled") }
		for range 2 { // the second one finds none
			if err := run(cancel); err != nil {
				t.Fatal(err)
			}
		}
		names := func() (names []string) {
			if err := run(func(ctx context.Context, s *sleeper) error {
				all, err := s.reminders.List(ctx)
				for _, r := range all {
					names = append(names, fmt.Sprint(r.Name, " ", r.Due.Sub(begin)))
				}
				return err
			}); err != nil {
				t.Fatal(err)
			}
			return names
		}
		time.Sleep(time.Minute)
		if want := []string{"a 2h0m0s", "b 1h0m0s", "replaced 3h0m0s"}; !slices.Equal(names(), want) {
			t.Errorf("listed %v, want %v", names(), want)
		}
		time.Sleep(4 * time.Hour)
		got := fired.list()
		want := []firing{{0, -time.Hour, 0}, {time.Hour, time.Hour, 0}, {2 * time.Hour, 2 * time.Hour, 0}, {3 * time.Hour, 3 * time.Hour, 0}}
		if !slices.Equal(got, want) || len(names()) != 0 {
			t.Errorf("fired %v, want %v; left %v", got, want, names())
		}
	})
}

// What fails comes again, later each time, until it succeeds.
func TestReminderThatFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var fired firings
		run := probe(t, storage.Memory(), newSleeper(record(begin, &fired, func(n int) error {
			switch {
			case n == 2:
				panic("a panic is a failure too")
			case n < 12:
				return errors.New("not yet")
			}
			return nil
		})))
		if err := run(set(mallee.Reminder{Name: "r", First: begin.Add(time.Hour)})); err != nil {
			t.Fatal(err)
		}
		time.Sleep(24 * time.Hour)
		got := fired.list()
		var pauses []time.Duration
		for i := 1; i < len(got); i++ {
			pauses = append(pauses, (got[i].after - got[i-1].after))
		}
		s, m := time.Second, time.Minute
		want := []time.Duration{s, 2 * s, 4 * s, 8 * s, 16 * s, 32 * s, 64 * s, 128 * s, 256 * s, 5 * m, 5 * m}
		if !slices.Equal(pauses, want) {
			t.Errorf("pauses %v, want %v", pauses, want)
		}
	})
}

// A turn that takes as long as a reminder's may is not run again because its
// shard has become idle meanwhile.
func TestReminderThatTakesLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var fired firings
		run := probe(t, storage.Memory(), newSleeper(record(begin, &fired, func(int) error {
			time.Sleep(59 * time.Second)
			return nil
		})))
		if err := run(set(mallee.Reminder{Name: "r", First: begin.Add(time.Second)})); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		if got := fired.list(); len(got) != 1 {
			t.Errorf("fired %v", got)
		}
	})
}

// Two hours without a process, by each policy.
func TestRemindersCatchUp(t *testing.T) {
	t.Parallel()
	const m = time.Minute
	for name, test := range map[string]struct {
		reminder mallee.Reminder
		want     []firing // after the process is back at 2 h 30 s, until 3 h
	}{
		"once":        {mallee.Reminder{Every: 30 * m}, []firing{{120*m + 40*time.Second, 120 * m, 3}, {150 * m, 150 * m, 0}}},
		"each":        {mallee.Reminder{Every: 30 * m, CatchUp: mallee.CatchUpEach}, []firing{{120*m + 40*time.Second, 30 * m, 0}, {120*m + 40*time.Second, 60 * m, 0}, {120*m + 40*time.Second, 90 * m, 0}, {120*m + 40*time.Second, 120 * m, 0}, {150 * m, 150 * m, 0}}},
		"skip":        {mallee.Reminder{Every: 29 * m, CatchUp: mallee.CatchUpSkip}, []firing{{145 * m, 145 * m, 4}, {174 * m, 174 * m, 0}}},
		"skip, just":  {mallee.Reminder{Every: 30 * m, CatchUp: mallee.CatchUpSkip}, []firing{{120*m + 40*time.Second, 120 * m, 3}, {150 * m, 150 * m, 0}}},
		"single":      {mallee.Reminder{First: time.Now()}, []firing{{120*m + 40*time.Second, 10 * m, 0}}},
		"single skip": {mallee.Reminder{First: time.Now(), CatchUp: mallee.CatchUpSkip}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				store := storage.Memory()
				var before, fired firings
				r := test.reminder
				r.Name = "r"
				if !r.First.IsZero() {
					r.First = begin.Add(10 * m)
				}
				run, stop := startProbe(t, store, newSleeper(record(begin, &before, fine)))
				if err := run(set(r)); err != nil {
					t.Fatal(err)
				}
				stop()
				time.Sleep(2*time.Hour + 30*time.Second)
				probe(t, store, newSleeper(record(begin, &fired, fine)))
				time.Sleep(59*m + 29*time.Second)
				got := fired.list()
				for i := range got {
					// The waker takes its round to find what is late.
					if late := got[i].after - 2*time.Hour - 30*time.Second; late >= 0 && late <= 10*time.Second {
						got[i].after = 120*m + 40*time.Second
					}
				}
				if len(before.list()) > 0 || !slices.Equal(got, test.want) {
					t.Errorf("fired %v, then %v, want %v", before.list(), got, test.want)
				}
			})
		})
	}
}

func TestRemindersThatCannotBe(t *testing.T) {
	t.Parallel()
	run := probe(t, storage.Memory(), newSleeper(nil))
	for name, r := range map[string]mallee.Reminder{
		"no name":      {Every: time.Hour},
		"long name":    {Name: string(make([]byte, mallee.MaxReminderName+1)), Every: time.Hour},
		"no time":      {Name: "r"},
		"too often":    {Name: "r", Every: time.Millisecond},
		"backwards":    {Name: "r", Every: -time.Hour},
		"before 1970":  {Name: "r", First: time.Date(1969, 1, 1, 0, 0, 0, 0, time.UTC)},
		"after 2200":   {Name: "r", First: time.Date(2201, 1, 1, 0, 0, 0, 0, time.UTC)},
		"other policy": {Name: "r", Every: time.Hour, CatchUp: "maybe"},
	} {
		if err := run(set(r)); !errors.Is(err, mallee.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// One unreadable reminder does not keep the others from firing.
func TestDamagedReminder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, begin := storage.Memory(), time.Now()
		var fired firings
		run := probe(t, store, newSleeper(record(begin, &fired, fine)))
		for i := range 3 {
			if err := run(set(mallee.Reminder{Name: fmt.Sprint(i), First: begin.Add(time.Hour)})); err != nil {
				t.Fatal(err)
			}
		}
		for _, row := range dump(t, store) {
			if row.Key.Key2 == "of/Probe/a/0" {
				noTime := row.Key
				noTime.Key2 = "due/!/Probe/a/0" // before all others
				if _, err := store.Apply(t.Context(), row.Epoch, storage.Put(noTime, []byte("null"), 0)); err != nil {
					t.Fatal(err)
				}
				if _, err := store.Apply(t.Context(), row.Epoch, storage.Put(row.Key, []byte(`"x"`), row.Version)); err != nil {
					t.Fatal(err)
				}
			}
		}
		time.Sleep(2 * time.Hour)
		if got := fired.list(); len(got) != 2 {
			t.Errorf("fired %v", got)
		}
	})
}

// Whichever node dies, also while a reminder fires, every occurrence comes.
func TestRemindersOutliveNodes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		fired := make(map[time.Duration]bool)
		var mu sync.Mutex // two nodes may take themselves for the owner for a moment
		fire := func(_ context.Context, r mallee.Reminder) error {
			time.Sleep(time.Second)
			mu.Lock()
			defer mu.Unlock()
			fired[r.Due.Sub(begin)] = true
			return nil
		}
		typ := mallee.NewType(mallee.Interface{Name: "Probe"}, func(self *mallee.Self) any { return newSleeper(fire)(self) })
		c := malleetest.Start(t, 3, typ)
		var err error
		for n := range c.Size() { // one of them has the actor, and a turn of this test runs only there
			err = c.Node(n).Invoke(t.Context(), mallee.ID{Type: "Probe", Key: "a"}, turn(func(ctx context.Context, actor any) error {
				return actor.(*sleeper).reminders.Set(ctx, mallee.Reminder{Name: "r", First: begin.Add(time.Minute), Every: time.Minute, CatchUp: mallee.CatchUpEach})
			}))
			if err == nil {
				break
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		for n := range 30 { // half of the deaths are in the middle of a firing
			time.Sleep(time.Duration(n+1)*time.Minute + time.Duration(n%2)*500*time.Millisecond - time.Since(begin))
			c.Kill(n % 3)
			time.Sleep(20 * time.Second)
			c.Restart(n % 3)
		}
		time.Sleep(time.Minute)
		mu.Lock()
		defer mu.Unlock()
		for n := range 30 {
			if due := time.Duration(n+1) * time.Minute; !fired[due] {
				t.Errorf("the occurrence of %v did not fire", due)
			}
		}
	})
}

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

// Reminders that sleep cost nothing at a start and in a node that runs.
func TestSleepingReminders(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const reminders = 1000
		store := &counting{Store: storage.Memory()}
		run, stop := startProbe(t, store, newSleeper(nil))
		if err := run(func(ctx context.Context, s *sleeper) error {
			for i := range reminders {
				if err := s.reminders.Set(ctx, mallee.Reminder{Name: fmt.Sprint(i), Every: 2 * time.Hour}); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		stop()
		store.rows.Store(0)
		before := runtime.NumGoroutine()
		var fired firings
		probe(t, store, newSleeper(record(time.Now(), &fired, fine)))
		time.Sleep(time.Hour)
		if n := runtime.NumGoroutine() - before; n > 50 { // other tests run beside this one
			t.Errorf("%d goroutines for sleeping reminders", n)
		}
		if rows := store.rows.Load(); rows > 64*360 {
			t.Errorf("%d rows were read in an hour", rows)
		}
		time.Sleep(time.Hour + time.Minute)
		if n := len(fired.list()); n != reminders {
			t.Errorf("%d of %d fired", n, reminders)
		}
	})
}
