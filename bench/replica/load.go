package replica

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	spread   = 10_000          // counters and sets that are changed in turn
	elements = 16              // that each process puts into a set, before it takes them out again
	markRate = 100             // marks of a process in a second
	slots    = 64              // registers that get its marks in turn
	patience = 2 * time.Second // with marks that are under way at the end
)

// Load is what one of several processes does.
type Load struct {
	Self, Processes int
	Rate            int           // changes of this one in a second, whatever becomes of them
	Begin           time.Time     // on the clock that all of them have
	Warm            time.Duration // from Begin until it counts
	Time            time.Duration // for which it counts
}

// Of is what one of the processes does.
func (l Load) Of(self int) Load {
	l.Self = self
	return l
}

// Report is what a process has seen.
type Report struct {
	Seen   []time.Duration // how old marks of others were when they were seen here
	Marked int             // marks of this process that the others have to see
	Late   time.Duration   // how much later the last change was made than it was due
	CPU    time.Duration   // that the process has used
}

// Watch makes the process watch for the marks of the others.
func (c Client) Watch(ctx context.Context, l Load) error {
	return c.call(ctx, "Watch", l, new(struct{}))
}

// Load makes the process change values and mark registers, when all processes
// watch.
func (c Client) Load(ctx context.Context, l Load) (r Report, err error) {
	return r, c.call(ctx, "Load", l, &r)
}

func (s *service) Watch(l Load, _ *struct{}) error {
	for p := range l.Processes {
		for slot := range slots {
			if p == l.Self {
				continue
			}
			if err := s.values.Watch(register(p, slot), s.seen.watch()); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *service) Load(l Load, r *Report) error {
	counted := l.Begin.Add(l.Warm)
	var work errgroup.Group
	work.Go(func() (err error) {
		r.Late, err = steadily(l, l.Rate, func(i int) error { return s.change(l.Self, i) })
		return err
	})
	work.Go(func() error {
		_, err := steadily(l, markRate, func(i int) error {
			at := time.Now()
			if !at.Before(counted) {
				r.Marked++
			}
			return s.values.Mark(register(l.Self, i%slots), at.UnixNano())
		})
		return err
	})
	time.Sleep(time.Until(counted))
	used := cpu()
	time.Sleep(time.Until(counted.Add(l.Time)))
	r.CPU = cpu() - used
	err := work.Wait()
	time.Sleep(patience)
	r.Seen = s.seen.since(counted)
	return err
}

// steadily calls f so many times a second from the load's begin to its end. What
// was late is made up for.
func steadily(l Load, rate int, f func(i int) error) (late time.Duration, err error) {
	time.Sleep(time.Until(l.Begin))
	d := l.Warm + l.Time
	all := int(d.Seconds() * float64(rate))
	for i := 0; i < all; time.Sleep(time.Millisecond) {
		due := int(time.Since(l.Begin).Seconds() * float64(rate))
		for ; i < min(due, all); i++ {
			if err := f(i); err != nil {
				return 0, err
			}
		}
	}
	return time.Since(l.Begin) - d, nil
}

// change changes a counter or a set.
func (s *service) change(self, i int) error {
	name, round := strconv.Itoa((i+self*spread/7)%spread), i/spread
	if i%2 == 0 {
		return s.values.Add(name)
	}
	return s.values.Put(name, fmt.Sprintf("%d-%d", self, round%elements), round/elements%2 == 0)
}

func register(process, slot int) string { return fmt.Sprintf("mark-%d-%d", process, slot) }

// sightings are the marks of others that have been seen.
type sightings struct {
	mu  sync.Mutex
	all []sighting
}

type sighting struct {
	made int64 // in nanoseconds since 1970
	age  time.Duration
}

// watch is told each mark of a register, some more than once.
func (s *sightings) watch() func(at int64) {
	var last int64
	return func(at int64) {
		if at == last {
			return
		}
		last = at
		age := time.Duration(time.Now().UnixNano() - at)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.all = append(s.all, sighting{at, age})
	}
}

// since are the ages of those that were made since then.
func (s *sightings) since(then time.Time) (ages []time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.all {
		if x.made >= then.UnixNano() {
			ages = append(ages, x.age)
		}
	}
	return ages
}
