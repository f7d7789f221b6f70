package chaos_test

import (
	"testing"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/chaos"
)

var (
	counter  = mallee.ID{Type: "Counter", Key: "1"}
	register = mallee.ID{Type: "Register", Key: "1"}
)

// forever is the end of a turn that has told none.
const forever = chaos.Time(1<<63 - 1)

// add, get and the others are calls that were answered; times are in order of
// the arguments: invoked, returned.
func add(op, n, sum int64, from, to chaos.Time) chaos.Call {
	return chaos.Call{Op: op, Actor: counter, Method: chaos.Add, Arg: n, Result: sum, Invoke: from, Return: to, Outcome: chaos.OK}
}

func get(op, sum int64, from, to chaos.Time) chaos.Call {
	return chaos.Call{Op: op, Actor: counter, Method: chaos.Get, Result: sum, Invoke: from, Return: to, Outcome: chaos.OK}
}

func write(op int64, from, to chaos.Time) chaos.Call {
	return chaos.Call{Op: op, Actor: register, Method: chaos.Write, Invoke: from, Return: to, Outcome: chaos.OK}
}

func read(op, value int64, from, to chaos.Time) chaos.Call {
	return chaos.Call{Op: op, Actor: register, Method: chaos.Read, Result: value, Invoke: from, Return: to, Outcome: chaos.OK}
}

func cas(op, old, before int64, from, to chaos.Time) chaos.Call {
	return chaos.Call{Op: op, Actor: register, Method: chaos.CompareAndSet, Arg: old, Result: before, Invoke: from, Return: to, Outcome: chaos.OK}
}

func unknown(c chaos.Call) chaos.Call {
	c.Outcome, c.Result = chaos.Unknown, 0
	return c
}

func failed(c chaos.Call) chaos.Call {
	c.Outcome, c.Result = chaos.Failed, 0
	return c
}

func turn(process string, epoch uint64, begin, end chaos.Time) chaos.Turn {
	return chaos.Turn{Process: process, Actor: counter, Epoch: epoch, Op: int64(begin), Begin: begin, End: end}
}

// guilt is the numbers of a verdict.
type guilt struct{ lost, double, wrong int }

var histories = []struct {
	name    string
	calls   []chaos.Call
	journal []int64 // of the counter
	turns   []chaos.Turn
	pauses  []chaos.Pause
	exits   []chaos.Exit
	want    guilt
}{
	{name: "nothing"},
	{
		name:    "a counter that counts",
		calls:   []chaos.Call{add(1, 5, 5, 0, 10), add(2, 2, 7, 5, 20), get(3, 7, 30, 40)},
		journal: []int64{1, 2},
	},
	{
		name:    "calls at the same time may be in any order",
		calls:   []chaos.Call{add(1, 5, 7, 0, 10), add(2, 2, 2, 5, 20), get(3, 7, 30, 40)},
		journal: []int64{2, 1},
	},
	{
		name:    "an order against time",
		calls:   []chaos.Call{add(1, 5, 7, 0, 10), add(2, 2, 2, 15, 20), get(3, 7, 30, 40)},
		journal: []int64{2, 1},
		want:    guilt{wrong: 1},
	},
	{
		name:    "two additions that did not see each other",
		calls:   []chaos.Call{add(1, 5, 5, 0, 10), add(2, 2, 2, 5, 20), get(3, 7, 30, 40)},
		journal: []int64{1, 2},
		want:    guilt{wrong: 1},
	},
	{
		name:    "a read of the past",
		calls:   []chaos.Call{add(1, 5, 5, 0, 10), get(2, 0, 15, 20), get(3, 5, 30, 40)},
		journal: []int64{1},
		want:    guilt{wrong: 1},
	},
	{
		name:    "an acknowledged addition that is gone",
		calls:   []chaos.Call{add(1, 5, 5, 0, 10), get(2, 0, 30, 40)},
		journal: nil,
		want:    guilt{lost: 1, wrong: 1},
	},
	{
		name:    "an unknown addition that has not run",
		calls:   []chaos.Call{unknown(add(1, 5, 0, 0, 10)), get(2, 0, 30, 40)},
		journal: nil,
	},
	{
		name:    "an unknown addition that has run late",
		calls:   []chaos.Call{unknown(add(1, 5, 0, 0, 10)), get(2, 0, 15, 20), add(3, 1, 6, 25, 30), get(4, 6, 40, 50)},
		journal: []int64{1, 3},
	},
	{
		name:    "an unknown addition that runs after the last read",
		calls:   []chaos.Call{unknown(add(1, 5, 0, 0, 10)), get(2, 0, 15, 20)},
		journal: []int64{1},
	},
	{
		name:    "an unknown addition that has run twice",
		calls:   []chaos.Call{unknown(add(1, 5, 0, 0, 10)), get(2, 10, 15, 20)},
		journal: []int64{1, 1},
		want:    guilt{wrong: 1},
	},
	{
		name:    "an addition that has run twice",
		calls:   []chaos.Call{add(1, 5, 5, 0, 10), get(2, 10, 15, 20)},
		journal: []int64{1, 1},
		want:    guilt{wrong: 1},
	},
	{
		name:    "a failed addition that has run",
		calls:   []chaos.Call{failed(add(1, 5, 0, 0, 10)), get(2, 5, 15, 20)},
		journal: []int64{1},
		want:    guilt{wrong: 1},
	},
	{
		name:  "a register that keeps",
		calls: []chaos.Call{read(1, 0, 0, 5), write(2, 10, 20), cas(3, 2, 2, 25, 30), cas(4, 2, 3, 35, 40), read(5, 3, 50, 60)},
	},
	{
		name:  "a register that forgets",
		calls: []chaos.Call{write(1, 0, 10), write(2, 20, 30), read(3, 1, 50, 60)},
		want:  guilt{lost: 1, wrong: 1},
	},
	{
		name:  "a register that forgets everything",
		calls: []chaos.Call{write(1, 5, 10), cas(2, 1, 1, 20, 30), read(3, 0, 50, 60)},
		want:  guilt{lost: 2, wrong: 1},
	},
	{
		name:  "a read of the past in between",
		calls: []chaos.Call{write(1, 0, 10), write(2, 20, 30), read(3, 1, 40, 45), read(4, 2, 50, 60)},
		want:  guilt{wrong: 1},
	},
	{
		name:  "a comparison that saw the past",
		calls: []chaos.Call{write(1, 0, 10), write(2, 20, 30), cas(3, 1, 1, 40, 45), read(4, 3, 50, 60)},
		want:  guilt{wrong: 1},
	},
	{
		name:  "an unknown write that nobody has seen",
		calls: []chaos.Call{write(1, 0, 10), unknown(write(2, 20, 30)), read(3, 1, 50, 60)},
	},
	{
		name:  "an unknown write that comes late",
		calls: []chaos.Call{unknown(write(1, 0, 10)), write(2, 20, 30), read(3, 2, 40, 45), read(4, 1, 50, 60)},
	},
	{
		name:  "an unknown write that comes and goes and comes",
		calls: []chaos.Call{unknown(write(1, 0, 10)), read(2, 1, 15, 18), write(3, 20, 30), read(4, 1, 50, 60)},
		want:  guilt{wrong: 1},
	},
	{
		name:  "an unknown comparison that could not succeed",
		calls: []chaos.Call{write(1, 0, 10), unknown(cas(2, 7, 0, 20, 30)), read(3, 2, 50, 60)},
		want:  guilt{wrong: 1},
	},
	{
		name:  "an unknown write that only an unknown comparison has seen",
		calls: []chaos.Call{unknown(write(1, 0, 10)), unknown(cas(2, 1, 0, 20, 30)), read(3, 2, 50, 60)},
	},
	{
		name:  "a failed write that is seen",
		calls: []chaos.Call{failed(write(1, 0, 10)), read(2, 1, 50, 60)},
		want:  guilt{wrong: 1},
	},
	{
		name:  "turns one after the other",
		turns: []chaos.Turn{turn("a.1", 1, 0, 10), turn("a.1", 1, 10, 20), turn("b.1", 2, 20, 30)},
	},
	{
		name:  "turns in two processes at the same time",
		turns: []chaos.Turn{turn("a.1", 1, 0, 10), turn("b.1", 2, 9, 20)},
		want:  guilt{double: 1},
	},
	{
		name:  "two activations in one process",
		turns: []chaos.Turn{turn("a.1", 1, 0, 10), turn("a.1", 2, 9, 20)},
		want:  guilt{double: 1},
	},
	{
		name:  "a long turn under two others",
		turns: []chaos.Turn{turn("a.1", 1, 0, 100), turn("b.1", 2, 10, 20), turn("b.1", 2, 30, 40)},
		want:  guilt{double: 2},
	},
	{
		name:  "an old activation that goes on",
		turns: []chaos.Turn{turn("a.1", 1, 0, 10), turn("b.1", 2, 20, 30), turn("a.1", 1, 40, 50)},
		want:  guilt{double: 1},
	},
	{
		name:  "two processes with one grant",
		turns: []chaos.Turn{turn("a.1", 1, 0, 10), turn("b.1", 1, 20, 30)},
		want:  guilt{double: 1},
	},
	{
		name:  "a turn that ends with its process",
		turns: []chaos.Turn{turn("a.1", 1, 0, forever), turn("b.1", 2, 20, 30)},
		exits: []chaos.Exit{{Process: "a.1", At: 15}},
	},
	{
		name:  "a turn that does not end",
		turns: []chaos.Turn{turn("a.1", 1, 0, forever), turn("b.1", 2, 20, 30)},
		exits: []chaos.Exit{{Process: "b.1", At: 50}},
		want:  guilt{double: 1},
	},
	{
		name:   "a turn that a long pause has cut in two",
		turns:  []chaos.Turn{turn("a.1", 1, 0, 2000), turn("b.1", 2, 1500, 1600)},
		pauses: []chaos.Pause{{Process: "a.1", From: 10, To: 1900}},
	},
	{
		name:   "a turn that begins before a pause takes hold",
		turns:  []chaos.Turn{turn("a.1", 1, 15, 2000), turn("b.1", 2, 1500, 1600)},
		pauses: []chaos.Pause{{Process: "a.1", From: 10, To: 1900}},
	},
	{
		name:   "a pause that leaves the lease alone excuses nothing",
		turns:  []chaos.Turn{turn("a.1", 1, 0, 2000), turn("b.1", 2, 1500, 1600)},
		pauses: []chaos.Pause{{Process: "a.1", From: 10, To: 900}},
		want:   guilt{double: 1},
	},
	{
		name:   "a turn that begins after the pause",
		turns:  []chaos.Turn{turn("b.1", 2, 1500, 1600), turn("a.1", 1, 1901, 2000)},
		pauses: []chaos.Pause{{Process: "a.1", From: 10, To: 1900}},
		want:   guilt{double: 1},
	},
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, test := range histories {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := &chaos.History{
				Header: chaos.Header{Lease: 1000 * time.Nanosecond}, Calls: test.calls, Turns: test.turns,
				Pauses: test.pauses, Exits: test.exits, Journals: map[mallee.ID][]int64{counter: test.journal},
			}
			v, err := chaos.Check(h)
			if got := (guilt{v.LostAcks, v.DoubleActivations, v.Nonlinearizable}); err != nil || got != test.want {
				t.Errorf("got %+v, %v, want %+v: %q", got, err, test.want, v.Findings)
			}
			if (len(v.Findings) == 0) != (test.want == guilt{}) {
				t.Errorf("findings %q", v.Findings)
			}
			if s := chaos.Summarize(h, v); s.Clean() != (test.want == guilt{}) {
				t.Errorf("clean: %t", s.Clean())
			}
		})
	}
}

// A history that does not show what has become of the writes proves nothing.
func TestCheckNeedsALastRead(t *testing.T) {
	t.Parallel()
	for name, calls := range map[string][]chaos.Call{
		"no read":            {add(1, 5, 5, 0, 10)},
		"a read that failed": {add(1, 5, 5, 0, 10), failed(get(2, 5, 20, 30))},
		"a read too early":   {add(1, 5, 5, 0, 30), get(2, 5, 20, 40)},
		"a swap":             {cas(1, 0, 0, 0, 10)},
	} {
		if _, err := chaos.Check(&chaos.History{Calls: calls}); err == nil {
			t.Errorf("%s: judged", name)
		}
	}
}
