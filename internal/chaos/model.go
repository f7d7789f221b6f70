package chaos

import "github.com/anishathalye/porcupine"

// output is what is known of the result of an operation.
type output struct {
	result int64
	known  bool
}

// counterModel is a counter without faults: its state is the sum.
var counterModel = porcupine.Model{
	Init: func() any { return int64(0) },
	Step: func(state, input, out any) (bool, any) {
		sum, c, o := state.(int64), input.(*Call), out.(output)
		if c.Method == Add {
			sum += c.Arg
		}
		return !o.known || o.result == sum, sum
	},
}

// registerModel is a register without faults: its state is the value.
var registerModel = porcupine.Model{
	Init: func() any { return int64(0) },
	Step: func(state, input, out any) (bool, any) {
		value, c, o := state.(int64), input.(*Call), out.(output)
		switch {
		case c.Method == Write:
			return true, c.Op
		case o.known && o.result != value:
			return false, value
		case c.Method == CompareAndSet && value == c.Arg:
			return true, c.Op
		}
		return true, value
	},
}

// operation is a call as the search sees it.
func operation(c *Call) porcupine.Operation {
	o := porcupine.Operation{ClientId: c.Worker, Input: c, Call: int64(c.Invoke), Return: int64(c.Return), Output: output{c.Result, true}}
	if c.Outcome == Unknown {
		o.Return, o.Output = int64(never), output{}
	}
	return o
}

// counterOperations leaves out calls that have certainly not run. The journal
// tells whether an unknown addition has run, and what the sum was then: without
// that the search would try every subset of them.
func counterOperations(calls []*Call, journal []int64) (operations []porcupine.Operation) {
	adds := make(map[int64]*Call)
	for _, c := range calls {
		if c.Method == Add {
			adds[c.Op] = c
		}
	}
	sums, sum := make(map[int64]int64), int64(0) // by operation
	for _, op := range journal {
		if c := adds[op]; c != nil {
			sum += c.Arg
		}
		sums[op] = sum
	}
	for _, c := range calls {
		o := operation(c)
		if c.Outcome == Unknown {
			sum, done := sums[c.Op]
			if c.Method != Add || !done {
				continue
			}
			o.Output = output{sum, true}
		}
		if c.Outcome != Failed {
			operations = append(operations, o)
		}
	}
	return operations
}

// registerOperations leaves out calls that have certainly not run, and unknown
// ones whose value nobody has seen. Where one of those has run, nothing but a
// blind write can have come between it and the next change, as everything else
// sees the value: so the others are in order without it if they are with it.
func registerOperations(calls []*Call) (operations []porcupine.Operation) {
	seen := seenValues(calls)
	for _, c := range calls {
		if c.Outcome == OK || c.Outcome == Unknown && c.mutates() && seen[c.Op] {
			operations = append(operations, operation(c))
		}
	}
	return operations
}

// seenValues are those that calls were answered with, and those that must have
// been there for an unknown CompareAndSet to set a value that was seen.
func seenValues(calls []*Call) map[int64]bool {
	needs := make(map[int64]int64) // by value
	for _, c := range calls {
		if c.Outcome == Unknown && c.Method == CompareAndSet {
			needs[c.Op] = c.Arg
		}
	}
	seen := make(map[int64]bool)
	for _, c := range calls {
		if c.Outcome != OK {
			continue
		}
		for value, ok := c.Result, true; ok && !seen[value]; value, ok = needs[value] {
			seen[value] = true
		}
	}
	return seen
}
