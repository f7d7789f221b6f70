package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// measureFunc measures one entrant once.
type measureFunc func(ctx context.Context, b bench, e entrant) (sample, error)

// rounds measures every bench of a suite n times. The entrants take turns, A B
// C A B C, so that a machine that becomes slower or faster does so for all.
type rounds struct {
	suite    suite
	n        int
	measure  measureFunc
	progress func(what string) // called before each measurement, and with "" after the last of a bench
	report   func(row) error   // called when a bench is done
}

// run goes on when a measurement fails, and returns an error that lists what
// failed.
func (r rounds) run(ctx context.Context) error {
	var failed []error
	r.suite.entrants, failed = r.prepare(ctx)
	for _, b := range r.suite.benches {
		samples, errs := r.bench(ctx, b)
		r.progress("")
		if ctx.Err() != nil {
			return errors.New("interrupted")
		}
		failed = append(failed, errs...)
		if err := r.report(newRow(b, samples)); err != nil {
			return err
		}
	}
	return errors.Join(failed...)
}

// A preparer is a contestant that needs something that takes long to get, once
// for all measurements.
type preparer interface {
	Prepare(ctx context.Context) error
}

// prepare returns the entrants that can be measured, and why others cannot.
func (r rounds) prepare(ctx context.Context) (able []entrant, failed []error) {
	for _, e := range r.suite.entrants {
		if p, ok := e.make().(preparer); ok {
			r.progress(e.name + ": prepares")
			if err := p.Prepare(ctx); err != nil {
				failed = append(failed, fmt.Errorf("%s is left out: %w", e.name, err))
				continue
			}
		}
		able = append(able, e)
	}
	return able, failed
}

// bench returns the samples by entrant.
func (r rounds) bench(ctx context.Context, b bench) (map[string][]sample, []error) {
	samples := make(map[string][]sample)
	var failed []error
	for i := range r.n {
		for _, e := range r.suite.entrants {
			if b.admits != nil && !b.admits(e.make()) {
				continue
			}
			r.progress(fmt.Sprintf("%s %d/%d %s", b.name, i+1, r.n, e.name))
			s, err := r.measure(ctx, b, e)
			if ctx.Err() != nil {
				return nil, nil
			}
			if err == nil {
				samples[e.name] = append(samples[e.name], s)
			}
			if s.Failed > 0 {
				err = fmt.Errorf("%d calls failed, the first with: %s", s.Failed, s.Failure)
			}
			if err != nil {
				failed = append(failed, fmt.Errorf("%s/%s: %w", b.name, e.name, err))
			}
		}
	}
	return samples, failed
}

// progressOn rewrites a line of a terminal, and says nothing to anything else.
func progressOn(w io.Writer) func(string) {
	f, ok := w.(*os.File)
	if !ok {
		return func(string) {}
	}
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return func(string) {}
	}
	return func(what string) { fmt.Fprint(w, "\r\x1b[K", what) }
}
