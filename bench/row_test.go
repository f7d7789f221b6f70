package main

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestSpread(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		values []float64
		want   spread
	}{
		{[]float64{7}, spread{7, 7, 7}},
		{[]float64{3, 1, 2}, spread{1, 2, 3}},
		{[]float64{10, 4, 1, 2}, spread{1, 3, 10}},
		{[]float64{1.4, 1.6}, spread{1, 2, 2}},
	} {
		if got := newSpread(c.values); got != c.want {
			t.Errorf("newSpread(%v) = %v, want %v", c.values, got, c.want)
		}
	}
}

// The rounds are measured by a table instead of processes.
func testRounds(report func(row) error, order *[]string) rounds {
	values := map[string][]sample{
		"mallee": {{Value: 30}, {Value: 10}, {Value: 20}},
		"other":  {{Value: 5}, {Value: 4, Failed: 2, Failure: "wrong answer"}, {Value: 1}},
	}
	return rounds{
		suite: suite{
			name:     "test",
			benches:  []bench{{name: "b", unit: "u"}},
			entrants: []entrant{{"mallee", nobody}, {"other", nobody}},
		},
		n: 3,
		measure: func(_ context.Context, _ bench, e entrant) (sample, error) {
			*order = append(*order, e.name[:1])
			s := values[e.name][0]
			values[e.name] = values[e.name][1:]
			return s, nil
		},
		progress: func(string) {},
		report:   report,
	}
}

func nobody() contestant { return nil }

func TestRoundsInterleaveAndReportFailures(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	var order []string
	err := testRounds(jsonTo(&out), &order).run(t.Context())
	if err == nil || err.Error() != "b/other: 2 calls failed, the first with: wrong answer" {
		t.Error(err)
	}
	if got := strings.Join(order, ""); got != "momomo" {
		t.Error("order", got)
	}
	want := `{"bench":"b","unit":"u","mallee":20,"others":{"other":4},"ratio":{"other":5},` +
		`"spread":{"mallee":[10,20,30],"other":[1,4,5]},"failed":{"other":2}}` + "\n"
	if out.String() != want {
		t.Errorf("row %s want %s", out.String(), want)
	}
}

func TestRoundsEndWithTheirContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var order []string
	err := testRounds(func(row) error { return errors.New("reported") }, &order).run(ctx)
	if err == nil || err.Error() != "interrupted" {
		t.Error(err)
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	var order []string
	_ = testRounds(tableTo(&out), &order).run(t.Context())
	want := "" +
		"    b, u  min  median  max  mallee/other\n" +
		"  mallee   10      20   30             -\n" +
		"   other    1       4    5          5.00\n" +
		"\n"
	if out.String() != want {
		t.Errorf("table\n%s want\n%s", out.String(), want)
	}
}

func TestUnknownNamesAreOneLine(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"-run", "nope"},
		{"-measure", "local-call-1/nobody"},
		{"-n", "0"},
	} {
		err := run(t.Context(), args, io.Discard, io.Discard)
		if err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v: %v", args, err)
		}
	}
	err := run(t.Context(), []string{"-run", "nope"}, io.Discard, io.Discard)
	if want := `no suite "nope"; there is: local, remote, storage, websocket, gateway, sidecar, crdt`; err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

type unprepared struct{ started }

func (unprepared) Prepare(context.Context) error { return errors.New("no compiler") }

func TestRoundsLeaveOutWhatCannotBePrepared(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	var order []string
	r := testRounds(jsonTo(&out), &order)
	r.suite.entrants = append(r.suite.entrants, entrant{"absent", func() contestant { return unprepared{} }})
	err := r.run(t.Context())
	if err == nil || !strings.HasPrefix(err.Error(), "absent is left out: no compiler\n") {
		t.Error(err)
	}
	if got := strings.Join(order, ""); got != "momomo" {
		t.Error("measured", got)
	}
}
