package replicated_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/crdt"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/crdtpb"
	"github.com/mallee-io/mallee/sidecar/internal/command"
	"github.com/mallee-io/mallee/sidecar/internal/entity"
	"github.com/mallee-io/mallee/sidecar/internal/replicated"
)

// The sequences that the protocol's description has as examples.
func TestVoteWithMonitorAndConnection(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.cluster.meet(1)
		monitor := w.watch("monitor")
		w.hears("init(test.Entity it)", "command(1 Watch monitor streamed)")
		w.says(answer{id: 1, text: "0/1", streamed: true}.reply())
		w.got(monitor, "0/1")
		connection := w.watch("connect")
		w.hears("command(2 Watch connect streamed)")
		w.says(answer{id: 2, update: vote(true), streamed: true}.reply(), answer{id: 1, text: "1/1"}.message())
		w.got(connection, "nothing")
		w.got(monitor, "1/1")
		w.leaves(connection)
		w.got(connection, "left")
		w.hears("cancelled(2)")
		w.says(answer{id: 2, update: vote(false)}.response(), answer{id: 1, text: "0/1"}.message())
		w.got(connection, "nothing", "end")
		w.got(monitor, "0/1")
		w.leaves(monitor)
		w.hears("cancelled(1)")
		w.says(answer{id: 1}.response())
		w.got(monitor, "left", "nothing", "end")
		w.hears()
		w.reported()
	})
}

func TestChangeFromElsewhere(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		first := w.do("a")
		w.hears("init(test.Entity it)", "command(1 Do a)")
		w.elsewhere(&crdt.Delta{Kind: crdt.KindGCounter, Increment: 5})
		w.hears()
		w.says(answer{id: 1, text: "3", update: gcounter(3)}.reply())
		w.got(first, "3", "end")
		w.hears("gcounter(5)")
		w.elsewhere(&crdt.Delta{Kind: crdt.KindGCounter, Increment: 1})
		w.hears("gcounter(1)")
		w.has(9)
	})
}

// A user function that always has something to answer hears of others nevertheless.
func TestChangeFromElsewhereUnderLoad(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.do("a")
		w.hears("init(test.Entity it)", "command(1 Do a)")
		w.elsewhere(&crdt.Delta{Kind: crdt.KindGCounter, Increment: 5})
		w.do("b")
		w.says(answer{id: 1, text: "r"}.reply())
		w.hears("command(2 Do b)")
		time.Sleep(replicated.DefaultHoldAfter)
		c, gone := w.do("c"), w.do("gone")
		w.leaves(gone)
		w.hears()
		w.says(answer{id: 2, text: "r"}.reply())
		w.hears("gcounter(5)", "command(3 Do c)")
		w.do("d")
		w.hears("command(5 Do d)")
		w.says(answer{id: 3, text: "r"}.reply())
		w.got(c, "r", "end")
		w.got(gone, "left", "end")
		w.elsewhere(&crdt.Delta{Kind: crdt.KindGCounter, Increment: 1})
		time.Sleep(replicated.DefaultHoldAfter)
		e := w.do("e")
		w.says(io.EOF) // while it is held
		w.got(e, "failed: Entity terminating")
	})
}

// Activation.

func TestBeginsWithTheValue(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.elsewhere(&crdt.Delta{Kind: crdt.KindGCounter, Increment: 5})
		w.do("a")
		w.hears("init(test.Entity it gcounter(5))", "command(1 Do a)")
		w.says(answer{id: 1}.reply())
		w.hears() // no delta
	})
}

func TestValueAppearsAfterTheBeginning(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.do("a")
		w.says(answer{id: 1}.reply())
		w.elsewhere(&crdt.Delta{Kind: crdt.KindGCounter, Increment: 5})
		w.hears("init(test.Entity it)", "command(1 Do a)", "gcounter(5)")
	})
}

func TestReadsFromAMajority(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		read := make(chan struct{})
		w.here.refreshes = func(ctx context.Context) error {
			select {
			case <-read:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		first, second := w.do("a"), w.do("b")
		w.streams(0)
		must(w.there.Replica(w.name).Change(&crdt.Delta{Kind: crdt.KindGCounter, Increment: 5}))
		w.here.catchUp()
		close(read)
		w.hears("init(test.Entity it gcounter(5))", "command(1 Do a)", "command(2 Do b)")
		w.says(answer{id: 2, text: "2"}.reply(), answer{id: 1, text: "1"}.reply())
		w.got(first, "1", "end")
		w.got(second, "2", "end")
	})
}

func TestBeginsWithTheCopyWithoutAMajority(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.here.refreshes = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		w.elsewhere(&crdt.Delta{Kind: crdt.KindGCounter, Increment: 5})
		first := w.do("a")
		start := time.Now()
		time.Sleep(replicated.DefaultReadTimeout)
		w.hears("init(test.Entity it gcounter(5))", "command(1 Do a)")
		if took := time.Since(start); took != replicated.DefaultReadTimeout {
			t.Errorf("it took %v", took)
		}
		w.says(answer{id: 1, text: "x"}.reply())
		w.got(first, "x", "end")
	})
}

// A node that has not got all values yet would begin with none.
func TestDoesNotBeginBeforeTheNodeHas(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		away := mallee.ErrUnavailable.Errorf("not there yet")
		w.here.refreshes = func(context.Context) error { return away }
		w.here.waits = func(context.Context, crdt.Consistency) error { return away }
		w.got(w.do("a"), "failed: not there yet")
		w.streams(0)
	})
}

func TestUserFunctionCannotBeReached(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.function.away = errors.New("gone")
		w.got(w.do("a"), "failed: the user function cannot be reached: gone")
		w.function.away = nil
		c := w.do("b")
		w.hears("init(test.Entity it)", "command(1 Do b)")
		w.says(answer{id: 1}.reply())
		w.got(c, "nothing", "end")
	})
}

func TestEmptyKeyIsRefused(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		if _, err := w.server.Open(&command.Command{On: w.service.Methods[0]}, ""); !errors.Is(err, mallee.ErrInvalid) {
			t.Errorf("got %v", err)
		}
	})
}

// Turn taking.

func TestOneDeltaAfterTheLastOperation(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.do("a")
		w.do("b")
		stream := w.watch("c")
		w.hears("init(test.Entity it)", "command(1 Do a)", "command(2 Do b)", "command(3 Watch c streamed)")
		for range 3 {
			w.elsewhere(&crdt.Delta{Kind: crdt.KindGCounter, Increment: 1})
		}
		w.says(answer{id: 3, streamed: true}.reply(), answer{id: 2, update: gcounter(10)}.reply())
		w.elsewhere(&crdt.Delta{Kind: crdt.KindGCounter, Increment: 1})
		w.hears()
		w.says(answer{id: 1}.reply())
		w.hears("gcounter(4)")
		w.leaves(stream) // a cancel is an operation
		w.hears("cancelled(3)")
		w.elsewhere(&crdt.Delta{Kind: crdt.KindGCounter, Increment: 1})
		w.hears()
		w.says(answer{id: 3, update: gcounter(1)}.response())
		w.hears("gcounter(1)")
		w.has(16)
	})
}

func TestDeltaWaitsForTheWrite(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		written := make(chan struct{})
		w.here.waits = func(_ context.Context, c crdt.Consistency) error {
			if c != crdt.Majority {
				t.Errorf("it waits for %v", c)
			}
			<-written
			return nil
		}
		c := w.do("a")
		w.says(answer{id: 1, text: "x", update: gcounter(1), level: crdtpb.CrdtWriteConsistency_MAJORITY, effects: []string{"e"}}.reply())
		w.elsewhere(&crdt.Delta{Kind: crdt.KindGCounter, Increment: 5})
		w.got(c)
		w.hears("init(test.Entity it)", "command(1 Do a)")
		close(written)
		w.got(c, "effect e, x", "end")
		w.hears("gcounter(5)")
	})
}

// A write that was overtaken has changed the user function's copy alone.
func TestDiscardedWriteIsTakenBack(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.do("a")
		w.says(answer{id: 1, update: register("one", crdtpb.CrdtClock_REVERSE, 0)}.reply())
		w.hears("init(test.Entity it)", "command(1 Do a)")
		w.do("b")
		w.says(answer{id: 2, update: register("two", crdtpb.CrdtClock_REVERSE, 0)}.reply())
		w.hears("command(2 Do b)", "register(one)")
	})
}

// Commands.

func TestUnknownCommandIsAnswered(t *testing.T) {
	t.Parallel()
	for name, said := range map[string]any{
		"another":       answer{id: 7}.reply(),
		"0":             answer{}.reply(),
		"stream of one": answer{id: 1, streamed: true}.reply(),
		"a response":    answer{id: 2}.response(),
		"its own end":   answer{id: 1}.response(),
		"nothing":       &crdtpb.CrdtStreamOut{},
		"no action":     &crdtpb.CrdtStreamOut{Message: &crdtpb.CrdtStreamOut_Reply{Reply: &crdtpb.CrdtReply{CommandId: 1, StateAction: &crdtpb.CrdtStateAction{}}}},
		"empty delta":   answer{id: 1, empty: true}.reply(),
		"other type":    answer{id: 1, update: pncounter(1)}.reply(),
		"too much":      answer{id: 1, update: gcounter(1 << 63)}.reply(),
		"level":         answer{id: 1, update: gcounter(1), level: 3}.reply(),
		"nested":        answer{id: 1, update: ormap(&crdtpb.ORMapDelta{Added: under("k", nil)})}.reply(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				w.elsewhere(&crdt.Delta{Kind: crdt.KindGCounter, Increment: 5})
				c := w.do("a")
				w.hears("init(test.Entity it gcounter(5))", "command(1 Do a)")
				w.says(said)
				w.got(c, "failed: Entity terminating")
				w.hears("half-close")
				w.reported("test.Entity \"it\" ends: ")
				w.do("b")
				w.hears("init(test.Entity it gcounter(5))", "command(1 Do b)")
				w.has(5)
				w.says(answer{id: 1}.reply())
			})
		})
	}
}

func TestFlagCannotBeDisabled(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.do("a")
		w.says(answer{id: 1, update: flag(true)}.reply())
		w.hears("init(test.Entity it)", "command(1 Do a)")
		c := w.do("b")
		w.says(answer{id: 2, update: flag(false)}.reply())
		w.got(c, "failed: Entity terminating")
	})
}

func TestConsistencyIsNotReached(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.here.waits = func(ctx context.Context, _ crdt.Consistency) error { <-ctx.Done(); return ctx.Err() }
		c, other := w.do("a"), w.watch("b")
		w.says(answer{id: 2, text: "y", streamed: true}.reply(), answer{id: 1, text: "x", update: gcounter(3), level: crdtpb.CrdtWriteConsistency_ALL}.reply())
		w.got(c)
		w.got(other, "y")
		time.Sleep(replicated.DefaultWriteTimeout)
		w.got(c, "failed: Failed to update CRDT at requested write consistency")
		w.got(other, "failed: Entity terminating")
		w.hears("init(test.Entity it)", "command(1 Do a)", "command(2 Watch b streamed)", "half-close")
		w.has(3) // and spreads
		w.do("c")
		w.hears("init(test.Entity it gcounter(3))", "command(1 Do c)")
		w.says(answer{id: 1}.reply())
		if n := w.server.Figures(w.service).Unattained.Load(); n != 1 {
			t.Errorf("%d changes have not been attained", n)
		}
	})
}

func TestNodeCannotChange(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.here.broken = mallee.ErrUnavailable.Errorf("the node has left")
		c, other := w.do("a"), w.do("b")
		w.says(answer{id: 1, update: gcounter(3)}.reply())
		w.got(c, "failed: the node has left")
		w.got(other, "failed: Entity terminating")
	})
}

// Streamed commands.

func TestStreamIsNotAccepted(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		c := w.watch("a")
		w.says(answer{id: 1, text: "only"}.reply())
		w.got(c, "only", "end")
	})
}

func TestUserFunctionEndsAStream(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		c := w.watch("a")
		w.says(answer{id: 1, streamed: true}.reply(), answer{id: 1, text: "1"}.message(), answer{id: 1, effects: []string{"e"}}.message(), answer{id: 1, text: "2", ends: true}.message())
		w.got(c, "nothing", "1", "effect e, nothing", "2", "end")
		w.leaves(c)
		w.hears("init(test.Entity it)", "command(1 Watch a streamed)") // and no cancel
		w.says(answer{id: 1, text: "3"}.message())
		w.got(c)
		w.reported("has sent a message for command 1")
		w.do("b") // the instance goes on
		w.hears("command(2 Do b)")
		w.says(answer{id: 2}.reply())
	})
}

// The library for Node tells the stream of a command that changes the value before
// it replies to that command.
func TestMessageBeforeReply(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		c := w.watch("a")
		w.says(answer{id: 1, text: "1", effects: []string{"e"}}.message(), answer{id: 1, text: "0", streamed: true, update: gcounter(1)}.reply(), answer{id: 1, text: "2"}.message())
		w.got(c, "0", "effect e, 1", "2")
		c = w.watch("b")
		w.says(answer{id: 2, text: "1", ends: true}.message(), answer{id: 2, text: "0", streamed: true}.reply())
		w.got(c, "0", "1", "end")
		c = w.watch("c")
		w.says(answer{id: 3, text: "1"}.message(), answer{id: 3, fail: "no"}.reply())
		w.got(c, "failure no", "end")
		c = w.do("d")
		w.says(answer{id: 4, text: "1"}.message(), answer{id: 4, text: "0"}.reply())
		w.got(c, "0", "end")
		w.reported("command 4")
	})
}

// Libraries have forgotten a stream that they have failed: they crash when it is
// canceled.
func TestStreamFails(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		c := w.watch("a")
		w.says(answer{id: 1, streamed: true}.reply(), answer{id: 1, fail: "no more"}.message())
		w.got(c, "nothing", "failure no more", "end")
		w.leaves(c)
		d := w.watch("b")
		w.says(answer{id: 2, fail: "not at all", streamed: true}.reply())
		w.got(d, "failure not at all", "end")
		w.hears("init(test.Entity it)", "command(1 Watch a streamed)", "command(2 Watch b streamed)")
	})
}

func TestCallerLeavesBeforeTheReply(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		c := w.watch("a")
		w.hears("init(test.Entity it)", "command(1 Watch a streamed)")
		w.leaves(c)
		w.hears()
		w.says(answer{id: 1, text: "late", effects: []string{"e"}, streamed: true}.reply())
		w.hears("cancelled(1)")
		w.says(answer{id: 1, text: "x"}.message(), answer{id: 1, effects: []string{"f"}}.response())
		w.got(c, "left", "effect e, late", "x", "effect f, nothing", "end")
		w.hears()
	})
}

func TestCallerLeavesACommand(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		c := w.do("a")
		w.hears("init(test.Entity it)", "command(1 Do a)")
		w.leaves(c)
		w.says(answer{id: 1, text: "late", effects: []string{"e"}, update: gcounter(2)}.reply())
		w.got(c, "left", "effect e, late", "end")
		w.has(2)
		w.hears()
	})
}

func TestEndCrossesTheCancel(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		c := w.watch("a")
		w.says(answer{id: 1, streamed: true}.reply())
		w.leaves(c)
		w.hears("init(test.Entity it)", "command(1 Watch a streamed)", "cancelled(1)")
		w.elsewhere(&crdt.Delta{Kind: crdt.KindGCounter, Increment: 1})
		w.says(answer{id: 1, text: "bye", ends: true}.message())
		w.hears("gcounter(1)")
		w.says(answer{id: 1, update: gcounter(2)}.response()) // some respond nevertheless
		w.got(c, "nothing", "left", "bye", "end")
		w.has(3)
		w.do("b")
		w.hears("command(2 Do b)")
		w.says(answer{id: 2}.reply())
	})
}

// The caller still gets what waits for a write.
func TestEndCrossesTheCancelDuringAWrite(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		written := make(chan struct{})
		w.here.waits = func(context.Context, crdt.Consistency) error { <-written; return nil }
		c := w.watch("a")
		w.says(answer{id: 1, text: "first", streamed: true, update: gcounter(1), level: 1}.reply())
		w.leaves(c)
		w.says(answer{id: 1, text: "bye", ends: true}.message(), answer{id: 1, update: gcounter(2)}.response())
		w.got(c, "left")
		w.has(3)
		close(written)
		w.got(c, "first", "bye", "end")
	})
}

func TestCancelIsNeverAnswered(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		c := w.watch("a")
		w.says(answer{id: 1, streamed: true}.reply())
		w.leaves(c)
		w.elsewhere(&crdt.Delta{Kind: crdt.KindGCounter, Increment: 1})
		w.hears("init(test.Entity it)", "command(1 Watch a streamed)", "cancelled(1)")
		time.Sleep(replicated.DefaultCancelTimeout + time.Second)
		w.hears("gcounter(1)")
		w.got(c, "nothing", "left", "end")
		w.says(answer{id: 1, update: gcounter(1), effects: []string{"e"}}.response())
		w.has(2)
		w.reported("responded too late")
	})
}

// The user function does one thing after the other.
func TestReplyProvesACancel(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		c := w.watch("a")
		before := w.do("b")
		w.says(answer{id: 1, streamed: true}.reply())
		w.leaves(c)
		w.got(c, "nothing", "left")
		after := w.do("c")
		w.elsewhere(&crdt.Delta{Kind: crdt.KindGCounter, Increment: 1})
		w.hears("init(test.Entity it)", "command(1 Watch a streamed)", "command(2 Do b)", "cancelled(1)", "command(3 Do c)")
		w.says(answer{id: 2}.reply()) // it was sent before
		w.got(before, "nothing", "end")
		w.got(c)
		w.says(answer{id: 3}.reply())
		w.got(after, "nothing", "end")
		w.got(c, "end")
		w.hears("gcounter(1)")
	})
}

func TestCancelResponseHasAWrite(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		written := make(chan struct{})
		w.here.waits = func(context.Context, crdt.Consistency) error { <-written; return nil }
		c := w.watch("a")
		w.says(answer{id: 1, streamed: true, update: gcounter(1), level: 1}.reply())
		w.leaves(c)
		w.hears("init(test.Entity it)", "command(1 Watch a streamed)", "cancelled(1)")
		w.says(answer{id: 1, update: gcounter(1), level: 1, effects: []string{"e"}}.response())
		w.got(c, "left")
		close(written)
		w.got(c, "nothing", "effect e, nothing", "end")
	})
}

func TestCallerIsFarBehind(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		on := w.service.Methods[1]
		c, err := w.server.Open(&command.Command{On: on}, "it")
		must(err)
		w.says(answer{id: 1, streamed: true}.reply())
		for range 5 {
			w.says(answer{id: 1, text: "much", effects: []string{"e"}}.message())
		}
		w.hears("init(test.Entity it)", "command(1 Watch  streamed)", "cancelled(1)")
		if _, err := c.Recv(context.Background()); !errors.Is(err, mallee.ErrOverloaded) {
			t.Errorf("got %v", err)
		}
		w.says(answer{id: 1, effects: []string{"last"}}.response())
		effects := 0
		if !c.Leave() {
			t.Error("there is nothing more")
		}
		for a, err := c.Recv(context.Background()); err == nil; a, err = c.Recv(t.Context()) {
			effects += len(a.Effects)
		}
		if effects != 6 {
			t.Errorf("%d effects", effects)
		}
	}, func(c *replicated.Config) { c.MaxBehind = 1000 })
}

func TestTooManyCommands(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.do("a")
		w.do("b")
		w.got(w.do("c"), `refused: 2 commands to entity "it" of test.Entity are not done, more than may be`)
		w.says(answer{id: 1}.reply(), answer{id: 2}.reply())
		d := w.do("d")
		w.says(answer{id: 3}.reply())
		w.got(d, "nothing", "end")
	}, func(c *replicated.Config) { c.MaxCommands = 2 })
}

// Failures.

func TestFailures(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		c := w.do("a")
		w.says(answer{id: 1, fail: "no"}.reply())
		w.got(c, "failure no", "end")
		c = w.do("b")
		w.says(answer{id: 2, fail: "what went wrong"}.failure())
		w.got(c, "failed: what went wrong")
		c = w.watch("c")
		w.says(answer{fail: "ignored"}.failure(), answer{id: 1, fail: "over"}.failure())
		w.got(c)
		w.says(answer{id: 3, streamed: true}.reply(), answer{id: 3, fail: "broken"}.failure())
		w.got(c, "nothing", "failed: broken")
		w.hears("init(test.Entity it)", "command(1 Do a)", "command(2 Do b)", "command(3 Watch c streamed)")
		w.reported()
	})
}

func TestFailureOfACanceledStream(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		c := w.watch("a")
		w.says(answer{id: 1, streamed: true}.reply())
		w.leaves(c)
		w.elsewhere(&crdt.Delta{Kind: crdt.KindGCounter, Increment: 1})
		w.says(answer{id: 1, fail: "in the callback"}.failure())
		w.got(c, "nothing", "left", "failed: in the callback")
		w.hears("init(test.Entity it)", "command(1 Watch a streamed)", "cancelled(1)", "gcounter(1)")
	})
}

func TestStreamEnds(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]error{"ended": io.EOF, "broken": status.Error(codes.Aborted, "panic")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				stream, c := w.watch("a"), w.do("b")
				w.says(answer{id: 1, text: "x", streamed: true, update: gcounter(4)}.reply(), end)
				w.got(stream, "x", "failed: Entity terminating")
				w.got(c, "failed: Entity terminating")
				w.reported(`test.Entity "it" ends: the `)
				w.do("c")
				w.hears("init(test.Entity it gcounter(4))", "command(1 Do c)")
				w.says(answer{id: 1}.reply())
			})
		})
	}
}

func TestCommandIsNotAnswered(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		c, other := w.do("a"), w.do("b")
		w.says(answer{id: 2, text: "b"}.reply())
		w.got(other, "b", "end")
		time.Sleep(replicated.DefaultRelayTimeout + time.Second)
		w.got(c, "failed: the user function has let an entity wait for more than 1m0s")
		w.hears("init(test.Entity it)", "command(1 Do a)", "command(2 Do b)", "half-close")
	})
}

func TestMessageIsNotTaken(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		c := w.do("a")
		w.says(answer{id: 1}.reply())
		w.got(c, "nothing", "end")
		w.function.stream(1).deaf = true
		c = w.do("b")
		time.Sleep(replicated.DefaultRelayTimeout)
		w.got(c, "failed: Entity terminating")
	})
}

// Passivation.

func TestPassivation(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.function.ends = false
		w.do("a")
		w.says(answer{id: 1, update: gcounter(1)}.reply())
		time.Sleep(idle)
		w.hears("init(test.Entity it)", "command(1 Do a)", "half-close")
		c := w.do("b") // waits for the end
		w.streams(1)
		w.says(io.EOF)
		w.hears("init(test.Entity it gcounter(1))", "command(1 Do b)")
		w.hearsOn(1)
		w.function.ends = true
		w.says(answer{id: 1}.reply())
		w.got(c, "nothing", "end")
		w.reported()
	})
}

func TestNoPassivationWithAnOpenStream(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		c := w.watch("a")
		w.says(answer{id: 1, streamed: true}.reply())
		time.Sleep(100 * idle)
		w.hears("init(test.Entity it)", "command(1 Watch a streamed)")
		w.says(answer{id: 1, ends: true}.message())
		w.got(c, "nothing", "nothing", "end")
		time.Sleep(idle)
		w.hears("half-close")
	})
}

// Some libraries do not end their side.
func TestUserFunctionDoesNotEndAStream(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.function.ends = false
		w.do("a")
		w.says(answer{id: 1}.reply())
		time.Sleep(idle)
		w.hears("init(test.Entity it)", "command(1 Do a)", "half-close")
		time.Sleep(replicated.DefaultCloseTimeout)
		w.hears("canceled")
		w.reported()
	})
}

// Deletion.

func TestDeletedByTheUserFunction(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		stream, c, waiting := w.watch("a"), w.do("b"), w.do("c")
		w.says(answer{id: 1, streamed: true}.reply(), answer{id: 2, text: "gone", delete: true}.reply())
		w.got(c, "gone", "end")
		w.got(stream, "nothing", "end")
		w.got(waiting, "failed: Entity deleted")
		w.hears("init(test.Entity it)", "command(1 Watch a streamed)", "command(2 Do b)", "command(3 Do c)", "half-close")
		w.got(w.do("d"), "refused: Entity deleted")
		w.streams(1)
		w.there.catchUp()
		if !w.there.Replica(w.name).Deleted() {
			t.Error("it is not deleted elsewhere")
		}
		w.reported()
	})
}

func TestDeleteIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.here.waits = func(ctx context.Context, _ crdt.Consistency) error { <-ctx.Done(); return ctx.Err() }
		c := w.do("a")
		w.says(answer{id: 1, text: "gone", delete: true, level: 1}.reply())
		w.hears("init(test.Entity it)", "command(1 Do a)", "half-close")
		w.got(c)
		time.Sleep(replicated.DefaultWriteTimeout)
		w.got(c, "failed: Failed to delete CRDT at requested write consistency")
	})
}

func TestDeletedElsewhere(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		stream, c, late := w.watch("a"), w.do("b"), w.do("c")
		w.says(answer{id: 1, streamed: true}.reply())
		must(w.there.Replica(w.name).Delete())
		w.here.catchUp()
		w.hears("init(test.Entity it)", "command(1 Watch a streamed)", "command(2 Do b)", "command(3 Do c)")
		w.got(w.do("d"), "refused: Entity deleted")
		w.says(answer{id: 2, text: "read"}.reply(), answer{id: 3, text: "changed", update: gcounter(1)}.reply())
		w.got(c, "read", "end")
		w.got(late, "failed: Entity deleted")
		w.got(stream, "nothing", "end")
		w.hears("delete", "half-close")
		w.got(w.do("e"), "refused: Entity deleted")
		w.streams(1)
		w.reported()
	})
}

func TestDeletedBefore(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.here.refreshes = func(context.Context) error { // a majority knows
			must(w.there.Replica(w.name).Delete())
			w.here.catchUp()
			return nil
		}
		w.got(w.do("a"), "failed: Entity deleted")
		w.got(w.do("a"), "refused: Entity deleted")
		w.streams(0)
	})
}

// What others change is told although the user function has changed nothing at the
// same time.
func TestNothingAndSomethingElsewhere(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		x, y := &crdt.Delta{Kind: crdt.KindGSet, Added: elements("x")}, &crdt.Delta{Kind: crdt.KindGSet, Added: elements("y")}
		w.elsewhere(x)
		written := make(chan error)
		w.here.waits = func(context.Context, crdt.Consistency) error { return <-written }
		c := w.do("a")
		w.hears("init(test.Entity it gset(+x))", "command(1 Do a)")
		p, err := replicated.ProtoOf(x)
		must(err)
		w.says(answer{id: 1, text: "r", update: p, level: crdtpb.CrdtWriteConsistency_MAJORITY}.reply())
		w.elsewhere(y)
		w.hears()
		close(written)
		w.got(c, "r", "end")
		w.hears("gset(+y)")
	})
}

func elements(all ...string) (list []string) {
	for _, s := range all {
		list = append(list, replicated.ElementOf(text(s)))
	}
	return list
}

// What others change of a large value is told from time to time.
func TestChangesOfALargeValueAreGathered(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		large := &crdt.Delta{Kind: crdt.KindGSet}
		for i := range 50_000 {
			large.Added = append(large.Added, replicated.ElementOf(text(fmt.Sprint(i))))
		}
		w.elsewhere(large)
		c := w.do("a")
		w.says(answer{id: 1, text: "r"}.reply())
		w.got(c, "r", "end")
		w.function.stream(1).takes()
		for _, x := range []string{"a", "b", "c"} {
			w.elsewhere(&crdt.Delta{Kind: crdt.KindGSet, Added: elements(x)})
			synctest.Wait()
		}
		w.hears("gset(+a)")
		time.Sleep(time.Second / 2)
		w.hears("gset(+b +c)")
		w.elsewhere(&crdt.Delta{Kind: crdt.KindGSet, Added: elements("d")})
		w.hears("gset(+d)")
	})
}

// Votes.

func TestMembershipChangesVotes(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.do("a")
		w.says(answer{id: 1, update: vote(true)}.reply())
		w.hears("init(test.Entity it)", "command(1 Do a)", "vote(true 1/2)")
		w.cluster.meet(1)
		w.hears("vote(true 1/1)")
		w.do("b")
		w.cluster.meet(2)
		w.hears("command(2 Do b)")
		w.says(answer{id: 2}.reply())
		w.hears("vote(true 1/2)")
	})
}

// Another node has made the value another type: this one's has lost.
func TestTypeLoses(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		stream := w.watch("a")
		w.says(answer{id: 1, streamed: true, update: orset(false, nil, []string{"x"})}.reply())
		w.here.lose(w.name, crdt.KindGCounter)
		w.got(stream, "nothing", "failed: Entity terminating")
		w.do("b")
		w.hears("init(test.Entity it gcounter(0))", "command(1 Do b)")
		w.says(answer{id: 1}.reply())
	})
}

// Few streams are enough for many entities.
func TestStreamsAreBounded(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.function.answers = func(r *rpc, m any) {
			if c := m.(*crdtpb.CrdtStreamIn).GetCommand(); c != nil {
				r.said <- answer{id: c.Id, text: "x"}.reply()
			}
		}
		var all []*caller
		for n := range 10 {
			all = append(all, w.callOf(fmt.Sprint(n), 0, "a"))
		}
		for _, c := range all {
			w.got(c, "x", "end")
		}
		open := 0
		for _, r := range w.function.streams {
			if !slices.Contains(r.heard, "half-close") {
				open++
			}
		}
		if open != 2 {
			t.Errorf("%d streams are open", open)
		}
	}, func(c *replicated.Config) { c.Streams = entity.NewStreams(2) })
}

// The end.

func TestDrain(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		open, command := w.watch("a"), w.do("b")
		w.says(answer{id: 1, text: "1", streamed: true}.reply())
		w.got(open, "1")
		w.server.Drain()
		w.got(open, "completed")
		w.hears("init(test.Entity it)", "command(1 Watch a streamed)", "command(2 Do b)", "cancelled(1)")
		late := w.watch("c")
		w.says(answer{id: 1, effects: []string{"e"}, update: gcounter(1)}.response(), answer{id: 3, text: "first", streamed: true}.reply())
		w.got(open, "effect e, nothing", "end")
		w.got(late, "first", "completed")
		closed := make(chan error)
		go func() { closed <- w.server.Close(context.Background()) }()
		w.hears("command(3 Watch c streamed)", "cancelled(3)")
		w.says(answer{id: 3}.response(), answer{id: 2, text: "done"}.reply())
		w.got(command, "done", "end")
		w.got(late, "nothing", "end")
		w.hears("half-close")
		if err := <-closed; err != nil {
			t.Error(err)
		}
		w.got(w.do("d"), "refused: the sidecar has stopped")
	})
}

func TestCloseDoesNotWaitForEver(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		stream, c := w.watch("a"), w.do("b")
		w.says(answer{id: 1, text: "1", streamed: true}.reply())
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := w.server.Close(ctx); !errors.Is(err, mallee.ErrTimeout) {
			t.Errorf("got %v", err)
		}
		w.got(stream, "1", "end")
		w.got(c, "failed: Entity terminating")
		w.hears("init(test.Entity it)", "command(1 Watch a streamed)", "command(2 Do b)", "half-close")
	})
}
