package chaos_test

import (
	"slices"
	"testing"

	"github.com/anishathalye/porcupine"
	"pgregory.net/rapid"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/chaos"
)

// run draws what callers see of an actor without faults: call n takes effect at
// time 100n, or never, within the interval that its caller sees.
func run(t *rapid.T, id mallee.ID, length int) *chaos.History {
	h := &chaos.History{Journals: make(map[mallee.ID][]int64)}
	value, last := int64(0), chaos.Time(0)
	for op := int64(1); op <= int64(length); op++ {
		at := chaos.Time(100 * op)
		c := chaos.Call{
			Op: op, Actor: id, Arg: rapid.Int64Range(1, 3).Draw(t, "arg"),
			Invoke:  at - chaos.Time(rapid.IntRange(0, 300).Draw(t, "before")),
			Return:  at + chaos.Time(rapid.IntRange(0, 300).Draw(t, "after")),
			Outcome: rapid.SampledFrom([]chaos.Outcome{chaos.OK, chaos.OK, chaos.OK, chaos.Unknown, chaos.Failed}).Draw(t, "outcome"),
		}
		c.Method = rapid.SampledFrom(methods[id]).Draw(t, "method")
		if c.Method == chaos.CompareAndSet {
			c.Arg = rapid.Int64Range(max(value-2, 0), value).Draw(t, "old")
		}
		if c.Outcome == chaos.OK || c.Outcome == chaos.Unknown && rapid.Bool().Draw(t, "ran") {
			value = effect(h, &c, value)
		}
		if c.Outcome != chaos.OK {
			c.Result = 0
			if c.Outcome == chaos.Unknown { // its caller may have left before
				c.Return = min(c.Return, c.Invoke+1)
			}
		}
		h.Calls = append(h.Calls, c)
		last = max(last, c.Return)
	}
	final := chaos.Call{Op: int64(length) + 1, Actor: id, Method: methods[id][0], Result: value, Invoke: last + 1, Return: last + 2, Outcome: chaos.OK}
	h.Calls = append(h.Calls, final)
	return h
}

var methods = map[mallee.ID][]chaos.Method{
	counter:  {chaos.Get, chaos.Add},
	register: {chaos.Read, chaos.Write, chaos.CompareAndSet},
}

// effect is the one place where an actor without faults is spelled out.
func effect(h *chaos.History, c *chaos.Call, value int64) int64 {
	switch c.Method {
	case chaos.Add:
		h.Journals[c.Actor] = append(h.Journals[c.Actor], c.Op)
		c.Result = value + c.Arg
		return c.Result
	case chaos.Write:
		return c.Op
	case chaos.CompareAndSet:
		if c.Result = value; value == c.Arg {
			return c.Op
		}
	default:
		c.Result = value
	}
	return value
}

func judge(t *rapid.T, h *chaos.History) guilt {
	v, err := chaos.Check(h)
	if err != nil {
		t.Fatal(err)
	}
	return guilt{v.LostAcks, v.DoubleActivations, v.Nonlinearizable}
}

func TestCheckAcceptsWhatIsRight(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := run(t, rapid.SampledFrom([]mallee.ID{counter, register}).Draw(t, "actor"), rapid.IntRange(0, 60).Draw(t, "length"))
		if got := judge(t, h); got != (guilt{}) {
			t.Errorf("%+v for %+v", got, h)
		}
	})
}

// Each of these changes makes a right history wrong, wherever it is made.
func TestCheckRefusesWhatWasChanged(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.SampledFrom([]mallee.ID{counter, register}).Draw(t, "actor")
		h := run(t, id, rapid.IntRange(1, 40).Draw(t, "length"))
		var acknowledged []int
		for i, c := range h.Calls {
			if c.Outcome == chaos.OK && c.Method != chaos.Write {
				acknowledged = append(acknowledged, i)
			}
		}
		c := &h.Calls[rapid.SampledFrom(acknowledged).Draw(t, "call")]
		switch {
		case c.Method == chaos.Add && rapid.Bool().Draw(t, "lose"):
			h.Journals[id] = slices.DeleteFunc(h.Journals[id], func(op int64) bool { return op == c.Op })
			if got := judge(t, h); got.lost != 1 {
				t.Errorf("%+v although operation %d is lost: %+v", got, c.Op, h)
			}
			return
		case c.Method == chaos.Add:
			h.Journals[id] = append(h.Journals[id], c.Op)
			h.Calls[len(h.Calls)-1].Result += c.Arg
		case c.Method == chaos.Get:
			c.Result += 1000
		default:
			c.Result = c.Op + 1 // of a call that had not begun, or is none
			if c.Op <= int64(len(h.Calls)-1) {
				c.Result = 1000
			}
		}
		if got := judge(t, h); got.wrong != 1 {
			t.Errorf("%+v although operation %d was answered wrongly: %+v", got, c.Op, h)
		}
	})
}

// What Check leaves out of the search changes no verdict: a search through all
// subsets of the unknown calls says the same, for histories right and wrong.
func TestCheckAgreesWithTheLongSearch(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := run(t, register, rapid.IntRange(1, 8).Draw(t, "length"))
		if rapid.Bool().Draw(t, "change") {
			c := &h.Calls[rapid.IntRange(0, len(h.Calls)-1).Draw(t, "call")]
			if c.Outcome == chaos.OK && c.Method != chaos.Write {
				c.Result = rapid.Int64Range(0, int64(len(h.Calls))).Draw(t, "result")
			}
		}
		if got, want := judge(t, h).wrong == 0, anySubset(h.Calls, nil); got != want {
			t.Errorf("right: %t, the long search says %t: %+v", got, want, h.Calls)
		}
	})
}

// anySubset decides for each unknown call whether it has run.
func anySubset(calls []chaos.Call, operations []porcupine.Operation) bool {
	if len(calls) == 0 {
		return porcupine.CheckOperations(plainRegister, operations)
	}
	c, rest := &calls[0], calls[1:]
	o := porcupine.Operation{Input: c, Call: int64(c.Invoke), Return: int64(c.Return)}
	switch c.Outcome {
	case chaos.Failed:
		return anySubset(rest, operations)
	case chaos.Unknown:
		o.Return = int64(forever)
		return anySubset(rest, operations) || anySubset(rest, append(slices.Clone(operations), o))
	}
	return anySubset(rest, append(slices.Clone(operations), o))
}

var plainRegister = porcupine.Model{
	Init: func() any { return int64(0) },
	Step: func(state, input, _ any) (bool, any) {
		c := *input.(*chaos.Call)
		answered := c.Result
		value := effect(nil, &c, state.(int64))
		return c.Outcome == chaos.Unknown || c.Result == answered, value
	},
}
