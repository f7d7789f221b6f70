package clustertest_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
)

// journal collects what nodes log.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) of(name string) slog.Handler { return writer{j, name} }

// has counts the lines that have all the parts.
func (j *journal) has(parts ...string) (n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, line := range j.lines {
		all := true
		for _, part := range parts {
			all = all && strings.Contains(line, part)
		}
		if all {
			n++
		}
	}
	return n
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Join(j.lines, "\n")
}

// await waits for a line.
func (j *journal) await(t testing.TB, parts ...string) {
	t.Helper()
	pause := time.NewTicker(10 * time.Millisecond)
	defer pause.Stop()
	for ctx := within(t); j.has(parts...) == 0; <-pause.C {
		if ctx.Err() != nil {
			t.Fatalf("no line with %q", parts)
		}
	}
}

type writer struct {
	*journal
	name string
}

func (w writer) Enabled(context.Context, slog.Level) bool { return true }
func (w writer) WithAttrs([]slog.Attr) slog.Handler       { return w }
func (w writer) WithGroup(string) slog.Handler            { return w }
func (w writer) Handle(_ context.Context, r slog.Record) error {
	line := w.name + ": " + r.Message
	r.Attrs(func(a slog.Attr) bool {
		line += " " + a.String()
		return true
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, line)
	return nil
}
