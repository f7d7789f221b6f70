package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// A sample is one measurement. Failed calls, which include wrong answers and
// those of the warm-up, are not in the value.
type sample struct {
	Value   float64 `json:"value"`
	Failed  int     `json:"failed,omitempty"`
	Failure string  `json:"failure,omitempty"` // the first
}

func newSample(value float64, parts ...tally) sample {
	var sum tally
	for _, t := range parts {
		sum.fail(t.failed, t.first)
	}
	s := sample{Value: value, Failed: sum.failed}
	if sum.first != nil {
		s.Failure = sum.first.Error()
	}
	return s
}

// measureOne measures one contestant in this process and prints the sample.
func measureOne(ctx context.Context, w io.Writer, s suite, pair string, d time.Duration) error {
	b, e, err := s.find(pair)
	if err != nil {
		return err
	}
	c := e.make()
	if b.admits != nil && !b.admits(c) {
		return fmt.Errorf("%s cannot do %s", e.name, b.name)
	}
	// The same collector for everybody, whatever the environment says.
	debug.SetGCPercent(100)
	debug.SetMemoryLimit(math.MaxInt64)
	if err := c.Start(ctx, echoActors); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	got, err := b.measure(ctx, c, d)
	runtime.KeepAlive(c) // with the pipes that keep its other processes
	if err != nil {
		return err
	}
	// No Stop: the end of the process frees all, and sooner than some
	// contestants take leave of a hundred thousand actors.
	return json.NewEncoder(w).Encode(got)
}

// inChild measures in a process of its own. Nothing one contestant leaves
// behind, be it garbage, timers or goroutines, then weighs on the next.
func inChild(s suite, d time.Duration) measureFunc {
	return func(ctx context.Context, b bench, e entrant) (sample, error) {
		exe, err := os.Executable()
		if err != nil {
			return sample{}, err
		}
		cmd := exec.CommandContext(ctx, exe, "-run", s.name, "-time", d.String(), "-measure", b.name+"/"+e.name)
		cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
		cmd.WaitDelay = 2 * time.Second
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if said := strings.TrimSpace(stderr.String()); err != nil && said != "" {
			err = errors.New(strings.TrimPrefix(said, "bench: "))
		}
		if err != nil {
			return sample{}, err
		}
		var got sample
		return got, json.Unmarshal(out, &got)
	}
}
