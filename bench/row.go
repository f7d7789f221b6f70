package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"text/tabwriter"
)

// ours is the entrant that the others are compared with.
const ours = "mallee"

// A row is what one bench measured. Numbers are medians of the repetitions.
type row struct {
	Bench  string             `json:"bench"`
	Unit   string             `json:"unit"`
	Mallee *float64           `json:"mallee,omitempty"`
	Others map[string]float64 `json:"others"`
	Ratio  map[string]float64 `json:"ratio,omitempty"` // Mallee's median to the other's
	Spread map[string]spread  `json:"spread"`
	Failed map[string]int     `json:"failed,omitempty"` // calls, over all repetitions
}

func newRow(b bench, samples map[string][]sample) row {
	r := row{
		Bench: b.name, Unit: b.unit,
		Others: make(map[string]float64), Spread: make(map[string]spread), Failed: make(map[string]int),
	}
	for name, list := range samples {
		values := make([]float64, len(list))
		for i, s := range list {
			values[i] = s.Value
			if s.Failed > 0 {
				r.Failed[name] += s.Failed
			}
		}
		s := newSpread(values)
		r.Spread[name] = s
		if median := s.median(); name == ours {
			r.Mallee = &median
		} else {
			r.Others[name] = median
		}
	}
	if r.Mallee != nil {
		r.Ratio = make(map[string]float64)
		for name, other := range r.Others {
			if other > 0 {
				r.Ratio[name] = math.Round(1000**r.Mallee/other) / 1000
			}
		}
	}
	return r
}

func jsonTo(w io.Writer) func(row) error {
	enc := json.NewEncoder(w)
	return func(r row) error { return enc.Encode(r) }
}

// tableTo prints a table per bench, the highest median first.
func tableTo(w io.Writer) func(row) error {
	return func(r row) error {
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintf(t, "%s, %s\tmin\tmedian\tmax\tmallee/other\t\n", r.Bench, r.Unit)
		names := slices.SortedFunc(maps.Keys(r.Spread), func(a, b string) int {
			return cmp.Compare(r.Spread[b].median(), r.Spread[a].median())
		})
		for _, name := range names {
			s := r.Spread[name]
			ratio := "-"
			if v, ok := r.Ratio[name]; ok {
				ratio = fmt.Sprintf("%.2f", v)
			}
			fmt.Fprintf(t, "%s\t%.0f\t%.0f\t%.0f\t%s\t\n", name, s[0], s[1], s[2], ratio)
		}
		fmt.Fprintln(t)
		return t.Flush()
	}
}
