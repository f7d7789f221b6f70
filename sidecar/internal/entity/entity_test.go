package entity_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/malleetest"
	"github.com/mallee-io/mallee/sidecar/internal/entity"
	"github.com/mallee-io/mallee/sidecar/internal/entity/rows"
	"github.com/mallee-io/mallee/storage"
)

func emit(events ...string) script { return script{Emit: events} }

var read = script{}

func TestEventSourced(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, malleetest.Local, nil)
		w.gives(log, "1", read, "")
		w.gives(log, "1", emit("a", "b"), "a,b")
		w.gives(log, "1", script{Emit: []string{"c"}, Snapshot: true}, "a,b,c")
		w.gives(log, "1", script{Snapshot: true}, "a,b,c") // of no event: ignored
		w.gives(log, "1", emit("d"), "a,b,c,d")
		w.gives(log, "2", read, "")
		time.Sleep(2 * idle)
		synctest.Wait()
		w.gives(log, "1", script{Emit: []string{"e"}, Snapshot: true}, "a,b,c,d,e")
		time.Sleep(2 * idle)
		synctest.Wait()
		w.gives(log, "1", read, "a,b,c,d,e")
		w.saw("init #1 #2 #3 #4 #5 end", "init #1 end",
			"init(a,b,c) d #1 end", "init(a,b,c,d,e) #1")
	})
}

func TestValue(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, malleetest.Local, nil)
		w.gives(cell, "1", read, "")
		w.gives(cell, "1", script{Delete: true}, "") // what is not there
		w.gives(cell, "1", script{Put: "a"}, "a")
		w.gives(cell, "1", script{Put: "b"}, "b")
		w.gives(cell, "1", script{Delete: true}, "")
		w.gives(cell, "1", read, "")
		w.gives(cell, "1", script{Put: "c"}, "c")
		time.Sleep(2 * idle)
		synctest.Wait()
		w.gives(cell, "1", script{Put: "d"}, "d")
		time.Sleep(2 * idle)
		synctest.Wait()
		w.gives(cell, "1", read, "d")
		w.saw("init #1 #2 #3 #4 #5 #6 #7 end", "init(c) #1 end", "init(d) #1")
	})
}

func TestFailuresOfCommandsKeepTheStream(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, malleetest.Local, nil)
		w.gives(log, "1", emit("a"), "a")
		w.fails(log, "1", script{Fail: "no"}, "no")
		w.fails(log, "1", script{Fail: "no", Emit: []string{"b"}}, "no") // the protocol stores them nevertheless
		w.gives(log, "1", read, "a,b")
		w.gives(cell, "1", script{Put: "a"}, "a")
		w.fails(cell, "1", script{Fail: "no"}, "no")
		w.fails(cell, "1", script{Fail: "no", Restart: true}, "no") // values know no restart
		w.gives(cell, "1", read, "a")
		w.saw("init #1 #2 #3 #4", "init #1 #2 #3 #4")
	})
}

// The new stream comes without a command. The events of the failure are gone.
func TestRestart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, malleetest.Local, nil)
		w.gives(log, "1", emit("a"), "a")
		w.fails(log, "1", script{Fail: "no", Emit: []string{"b", "c"}, Restart: true}, "no")
		synctest.Wait()
		w.saw("init #1 #2 end", "init a")
		w.gives(log, "1", emit("d"), "a,d")
		w.saw("init #1 #2 end", "init a #1")
	})
}

// What the user function does against the protocol fails that command with the
// protocol's text, and the next one finds the state that is stored.
func TestFaults(t *testing.T) {
	for fault, want := range map[string]struct{ log, cell string }{
		"wrong id":        {"Unexpected entity reply", "Unexpected Value entity reply"},
		"out of order":    {"Unexpected entity reply", "Unexpected Value entity reply"},
		"die":             {"Unexpected entity termination", "Unexpected Value entity termination"},
		"failure":         {"Unexpected entity failure", "Unexpected Value entity failure"},
		"failure and end": {"Unexpected entity failure", "Unexpected Value entity failure"},
		"empty":           {"Unexpected entity message", "Unexpected Value entity failure"},
		"huge":            {"Unexpected entity termination", "Unexpected Value entity termination"},
	} {
		t.Run(fault, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, malleetest.Local, nil)
				w.gives(log, "1", emit("a", "b"), "a,b")
				w.fails(log, "1", script{Emit: []string{"lost"}, Break: fault}, want.log)
				w.gives(log, "1", emit("c"), "a,b,c")
				w.gives(cell, "1", script{Put: "a"}, "a")
				w.fails(cell, "1", script{Put: "lost", Break: fault}, want.cell)
				w.gives(cell, "1", read, "a")
				if n := w.figures.Failed.Load(); n != 2 {
					t.Errorf("%d have failed", n)
				}
			})
		})
	}
}

// A second answer is found by the next command, which it fails.
func TestTwoAnswers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, malleetest.Local, nil)
		w.gives(log, "1", script{Emit: []string{"a"}, Break: "twice"}, "a")
		w.fails(log, "1", emit("lost"), "Unexpected entity reply")
		w.gives(log, "1", emit("b"), "a,b")
		w.gives(cell, "1", script{Put: "a", Break: "twice"}, "a")
		w.fails(cell, "1", script{Put: "lost"}, "Unexpected Value entity reply")
		w.gives(cell, "1", read, "a")
	})
}

func TestValueActionsWithNothingInThem(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, malleetest.Local, nil)
		w.gives(cell, "1", script{Put: "a"}, "a")
		w.fails(cell, "1", script{Put: "-"}, "Value entity updated without a value")
		w.fails(cell, "1", script{Put: "?"}, "Value entity neither updated nor deleted")
		w.gives(cell, "1", read, "a")
	})
}

func TestNoClientActionIsNoReply(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, malleetest.Encoded, nil)
		w.gives(log, "1", script{Emit: []string{"a"}, Break: "no action"}, "")
		w.gives(log, "1", read, "a")
	})
}

// A stream that has ended while nothing was to do does not fail a command.
func TestIdleStreamEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, malleetest.Local, nil)
		w.gives(log, "1", script{Emit: []string{"a"}, Break: "end"}, "a")
		synctest.Wait()
		w.gives(log, "1", emit("b"), "a,b")
		w.gives(cell, "1", script{Put: "a", Break: "end"}, "a")
		synctest.Wait()
		w.gives(cell, "1", read, "a")
		if n := w.figures.Failed.Load(); n != 0 {
			t.Errorf("%d have failed", n)
		}
	})
}

func TestFunctionDiesInReplay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, malleetest.Local, nil)
		w.gives(log, "1", emit("a", "b", "c"), "a,b,c")
		time.Sleep(2 * idle)
		w.function.dieAt("b")
		w.fails(log, "1", read, "Unexpected entity termination")
		w.fails(log, "1", emit("lost"), "Unexpected entity termination")
		w.function.dieAt("")
		w.gives(log, "1", read, "a,b,c")
	})
}

// A function that does not answer costs its caller the relay timeout and nobody
// else anything; a caller that is less patient only stops to wait.
func TestFunctionDoesNotAnswer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, malleetest.Local, nil)
		w.gives(log, "1", emit("a"), "a")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if _, err := w.runWithin(ctx, log, "1", script{Emit: []string{"lost"}, Break: "never"}); !errors.Is(err, mallee.ErrTimeout) {
			t.Fatal(err)
		}
		if waited := time.Since(start); waited != time.Second {
			t.Errorf("the caller has waited %v", waited)
		}
		w.gives(log, "2", emit("x"), "x")
		patient, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		got, err := w.runWithin(patient, log, "1", emit("b"))
		if waited := time.Since(start); err != nil || got != "a,b" || waited > entity.DefaultRelayTimeout+time.Second {
			t.Errorf("%q, %v after %v", got, err, waited)
		}
		if _, err = w.runWithin(patient, log, "1", script{Break: "never"}); !errors.Is(err, mallee.ErrTimeout) {
			t.Error(err)
		}
	})
}

// Nor does one that does not read make an entity wait for ever.
func TestFunctionDoesNotRead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, malleetest.Local, nil)
		large := strings.Repeat("x", 1<<20)
		for range 3 {
			if _, err := w.run(log, "1", emit(large)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * idle)
		w.function.dieAt("read nothing more")
		start := time.Now()
		if _, err := w.run(log, "1", emit("lost")); !errors.Is(err, mallee.ErrTimeout) {
			t.Error(err)
		}
		if waited := time.Since(start); waited != entity.DefaultRelayTimeout {
			t.Errorf("it takes %v", waited)
		}
		w.function.dieAt("")
		w.gives(log, "1", read, list([]string{large, large, large}))
	})
}

func TestFunctionIsNotThere(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, malleetest.Local, nil)
		w.gives(log, "1", emit("a"), "a")
		w.function.server.Stop()
		synctest.Wait()
		if _, err := w.run(log, "1", read); !errors.Is(err, mallee.ErrUnavailable) {
			t.Error(err)
		}
	})
}

// Rows that cannot be read fail the commands, and are never taken for nothing.
func TestDamagedRows(t *testing.T) {
	for name, op := range map[string]storage.Op{
		"event encoding": storage.PutBytes(storage.Key{Key2: rows.EventKey(1)}, []byte{9}, 0),
		"event":          storage.PutBytes(storage.Key{Key2: rows.EventKey(1)}, []byte{1, 0xff}, 0),
		"gap":            storage.PutBytes(storage.Key{Key2: rows.EventKey(2)}, []byte{1}, 0),
		"no bytes":       storage.PutBytes(storage.Key{Key2: rows.EventKey(1)}, nil, 0),
		"snapshot":       storage.PutBytes(storage.Key{Key2: rows.Snapshot}, []byte{1}, 0),
		"value":          storage.PutBytes(storage.Key{Key2: rows.Value}, []byte{2}, 0),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld(t, malleetest.Local, nil)
				at, text := log, "Error recovering event log"
				if name == "value" {
					at, text = cell, "Unexpected Value entity failure"
				}
				op.Key.Table, op.Key.Key1 = rows.Table("of-"+at), "1"
				if _, err := w.Store().Apply(t.Context(), 0, op); err != nil {
					t.Fatal(err)
				}
				for range 2 {
					w.fails(at, "1", read, text)
				}
				w.gives(at, "2", read, "")
			})
		})
	}
}

func TestPassivationWaitsForTheFunction(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, malleetest.Local, nil)
		w.gives(log, "1", emit("a"), "a")
		time.Sleep(2 * idle)
		synctest.Wait()
		w.saw("init #1 end")
		if n := w.figures.Passivated.Load(); n != 1 {
			t.Errorf("%d passivated", n)
		}
	})
}

// A crash of the node loses nothing that a caller was told of.
func TestCrash(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, malleetest.Clustered, nil)
		for _, id := range []string{"1", "2", "3", "4"} {
			w.gives(log, id, emit("a", "b"), "a,b")
			w.gives(cell, id, script{Put: "a"}, "a")
		}
		w.Kill(2)
		for _, id := range []string{"1", "2", "3", "4"} {
			w.gives(log, id, emit("c"), "a,b,c")
			w.gives(cell, id, read, "a")
		}
	})
}
