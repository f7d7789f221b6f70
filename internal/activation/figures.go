package activation

import (
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/mallee-io/mallee"
)

// Figures are what has become of the calls and activations of one actor type,
// since its node started. Calls that have succeeded are some milliseconds late,
// at most a fiftieth of the call timeout.
type Figures struct {
	Type          string
	Calls         map[string]int64 // by outcome: OK, a code of the framework, or Application for all others
	Activations   int64
	Deactivations map[string]int64 // by mallee.Reason
	Wait          Histogram        // of a sample of the turns, until they began
	Turn          Histogram        // of a sample of the turns, while they ran or waited in calls of their own
	Waiting       int              // turns in mailboxes now
	Deepest       int              // turns in the longest of them
}

// Outcomes of calls that are no codes of the framework.
const (
	OK          = "ok"
	Application = "application"
)

// outcomes are counted one by one, OK first and Application last.
var outcomes = [...]string{
	OK, string(mallee.CodeInvalid), string(mallee.CodeNotFound), string(mallee.CodeOverloaded), string(mallee.CodeTimeout), string(mallee.CodeCanceled),
	string(mallee.CodeUnavailable), string(mallee.CodeCycle), string(mallee.CodeActivation), string(mallee.CodePanic), string(mallee.CodeConflict),
	string(mallee.CodeFenced), string(mallee.CodeStorage), string(mallee.CodeUnknown), Application,
}

// Figures reads the counters of all tables. It may be called at any time.
func (r *Runtime) Figures() []Figures {
	waiting := r.watch.waiting()
	all := make([]Figures, len(r.tables))
	for i, t := range r.tables {
		all[i] = t.figures.read()
		all[i].Type = t.typ.Name
		all[i].Waiting, all[i].Deepest = waiting[t].all, waiting[t].deepest
	}
	return all
}

// sampling is one turn in so many of each actor whose times are measured:
// reading the clock costs more than the counters.
const sampling = 64

// maxReasons bounds the reasons of deactivations that are told apart.
const maxReasons = 16

// figures count for one table.
type figures struct {
	calls         [len(outcomes)]atomic.Int64
	activations   atomic.Int64
	deactivations [maxReasons]atomic.Int64
	wait, turn    histogram
}

// count counts a call that has its answer, or has ended without a caller. A
// success is counted in the activation, which the processor has at hand, until
// the watch comes by; it needs the lock.
func (a *Activation) count(t *Turn, err *mallee.Error) {
	switch {
	case t.kind != kindCall:
	case err == nil:
		a.done++
	default:
		a.table.figures.calls[outcomeOf(err)].Add(1)
	}
}

// counted hands over what count has gathered. It needs the lock.
func (a *Activation) counted() {
	if a.done > 0 {
		a.table.figures.calls[0].Add(int64(a.done))
		a.done = 0
	}
}

func outcomeOf(err *mallee.Error) int {
	for i, name := range outcomes {
		if name == string(err.Code) {
			return i
		}
	}
	return len(outcomes) - 1
}

// arrives begins the wait of a turn that is measured. Until it begins, began
// says when it came; 0: it is not measured. It needs the lock.
func (a *Activation) arrives(t *Turn, before int) {
	if (a.turnSeq+uint64(before))%sampling == 0 {
		t.began = a.table.runtime.clock.read()
	}
}

// begins ends the wait, and is the beginning of a turn that is measured.
// It needs the lock.
func (a *Activation) begins(t *Turn) {
	clock := &a.table.runtime.clock
	if t.began != 0 {
		a.table.figures.wait.add(clock.lasted(t.began))
	}
	if t.measured() {
		t.began = clock.read()
	} else {
		t.began = clock.now.Load()
	}
}

// ends measures a turn.
func (a *Activation) ends(t *Turn) {
	if t.measured() {
		a.table.figures.turn.add(a.table.runtime.clock.lasted(t.began))
	}
}

func (t *Turn) measured() bool { return t.number%sampling == 0 }

// left counts an activation that has stopped, and what its end has answered.
func (a *Activation) left(answer *mallee.Error, answered ...[]*Turn) {
	reason := a.reason
	if answer != nil {
		reason = mallee.ReasonFailed // it could not start
		for _, list := range answered {
			for _, t := range list {
				a.count(t, answer)
			}
		}
	}
	a.table.figures.deactivations[min(reason, maxReasons-1)].Add(1)
}

func (f *figures) read() Figures {
	out := Figures{Calls: make(map[string]int64), Deactivations: make(map[string]int64)}
	for i, name := range outcomes {
		if n := f.calls[i].Load(); n > 0 || name == OK {
			out.Calls[name] = n
		}
	}
	out.Activations = f.activations.Load()
	for reason := range f.deactivations {
		if n := f.deactivations[reason].Load(); n > 0 {
			out.Deactivations[mallee.Reason(reason).String()] += n
		}
	}
	out.Wait, out.Turn = f.wait.read(), f.turn.read()
	return out
}

// depth of mailboxes.
type depth struct{ all, deepest int }

// waiting counts the turns in mailboxes. Only busy activations have any.
func (w *watch) waiting() map[*Table]depth {
	w.visiting.Lock()
	defer w.visiting.Unlock()
	w.mu.Lock()
	busy := append([]*Activation(nil), w.busy...)
	w.mu.Unlock()
	found := make(map[*Table]depth)
	for _, a := range busy {
		a.mu.Lock()
		n := a.mailbox.n + a.nested.n
		a.mu.Unlock()
		d := found[a.table]
		found[a.table] = depth{d.all + n, max(d.deepest, n)}
	}
	return found
}

// Histogram counts durations in buckets: Buckets[i] is how many took less than
// BucketBound(i), and not less than the bound before; the last one has no bound.
type Histogram struct {
	Buckets [bucketCount]uint64
	Sum     time.Duration
}

const (
	bucketCount = 26
	bucketFirst = 10 // bits of the first bound, 2¹⁰ ns
)

// BucketBound doubles from bucket to bucket, from 1 µs to 17 s.
func BucketBound(i int) time.Duration { return 1 << (bucketFirst + i) }

type histogram struct {
	buckets [bucketCount]atomic.Uint64
	sum     atomic.Int64
}

func (h *histogram) add(d time.Duration) {
	h.buckets[min(max(bits.Len64(uint64(d))-bucketFirst, 0), bucketCount-1)].Add(1)
	h.sum.Add(int64(d))
}

func (h *histogram) read() (out Histogram) {
	for i := range h.buckets {
		out.Buckets[i] = h.buckets[i].Load()
	}
	out.Sum = time.Duration(h.sum.Load())
	return out
}
