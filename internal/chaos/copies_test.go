package chaos_test

import (
	"testing"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/chaos"
)

func mark(op, n int64) chaos.Call {
	return chaos.Call{Op: op, Actor: mallee.ID{Type: "Tally", Key: "k"}, Method: chaos.Mark, Arg: n, Invoke: chaos.Time(op), Return: chaos.Time(op + 1), Outcome: chaos.OK}
}

func copied(process int, sum int64, ops ...int64) chaos.Copy {
	return chaos.Copy{Process: process, Key: "k", Sum: sum, Ops: ops}
}

// What copies may have of two changes that were acknowledged, one of which nobody
// knows, and one that has not been made.
func TestCopies(t *testing.T) {
	t.Parallel()
	marks := []chaos.Call{mark(1, 10), mark(2, 20), unknown(mark(3, 5)), failed(mark(4, 100))}
	for name, test := range map[string]struct {
		copies        []chaos.Copy
		lost, unequal int
	}{
		"all is well":              {[]chaos.Copy{copied(7, 30, 1, 2), copied(8, 30, 1, 2)}, 0, 0},
		"with what is not known":   {[]chaos.Copy{copied(7, 35, 1, 2, 3), copied(8, 35, 1, 2, 3)}, 0, 0},
		"half of it":               {[]chaos.Copy{copied(7, 30, 1, 2, 3)}, 0, 0},
		"in pages":                 {[]chaos.Copy{copied(7, 30, 1), copied(8, 30, 1, 2), copied(7, 30, 2)}, 0, 0},
		"a change is missing":      {[]chaos.Copy{copied(7, 30, 1)}, 1, 0},
		"a sum is too small":       {[]chaos.Copy{copied(7, 29, 1, 2)}, 1, 0},
		"a sum is too large":       {[]chaos.Copy{copied(7, 36, 1, 2)}, 1, 0},
		"what has not been made":   {[]chaos.Copy{copied(7, 130, 1, 2, 4)}, 1, 0},
		"others are there":         {[]chaos.Copy{copied(7, 30, 1, 2), copied(8, 30, 1, 2, 3)}, 0, 1},
		"other sums":               {[]chaos.Copy{copied(7, 30, 1, 2), copied(8, 35, 1, 2)}, 0, 1},
		"one copy is missing much": {[]chaos.Copy{copied(7, 30, 1, 2), copied(8, 0)}, 3, 1},
		"none was read":            {nil, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := &chaos.History{Calls: marks, Copies: test.copies}
			v, err := chaos.Check(h)
			if r := v.Replicated; err != nil || r.Marks != 2 || r.Lost != test.lost || r.Unequal != test.unequal {
				t.Errorf("%+v, %v: %q", r, err, v.Findings)
			}
			if s := chaos.Summarize(h, v); s.Clean() != (test.lost+test.unequal == 0) {
				t.Errorf("clean is %v", s.Clean())
			}
		})
	}
}

func TestReadCopies(t *testing.T) {
	t.Parallel()
	h, err := chaos.ReadHistory(directory(t, header+`{"copy":{"pid":3,"key":"k","sum":5,"ops":[9]}}`+"\n", ""))
	if err != nil || len(h.Copies) != 1 || h.Copies[0].Process != 3 || h.Copies[0].Sum != 5 || len(h.Copies[0].Ops) != 1 {
		t.Errorf("read %+v, %v", h, err)
	}
}
