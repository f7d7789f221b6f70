package malleetest_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/examples/game"
	"github.com/mallee-io/mallee/malleetest"
	"github.com/mallee-io/mallee/malleetest/internal/sleeper"
)

var sleepers = []mallee.Type{sleeper.SleeperType(sleeper.New)}

func TestOddAndBadKeys(t *testing.T) {
	t.Parallel()
	malleetest.Each(t, game.Types(), func(t *testing.T, c *malleetest.Cluster) {
		for _, key := range []string{"a/b", "../x", "日本", " ", "a\x00b", strings.Repeat("k", mallee.MaxKeyLength), mallee.IntKey(-1)} {
			if answer, err := game.PlayerOf(c.Node(0), key).Echo(t.Context(), key); err != nil || answer != key {
				t.Errorf("key %q: %q, %v", key, answer, err)
			}
		}
		for _, key := range []string{"", strings.Repeat("k", mallee.MaxKeyLength+1), "\xff"} {
			_, err := game.PlayerOf(c.Node(0), key).Echo(t.Context(), "x")
			if !errors.Is(err, mallee.ErrInvalid) || !mallee.SafeToRetry(err) {
				t.Errorf("key of %d bytes: %v", len(key), err)
			}
		}
	})
}

func TestUnknownTypeAndMissingInterface(t *testing.T) {
	t.Parallel()
	malleetest.Each(t, game.Types(), func(t *testing.T, c *malleetest.Cluster) {
		if err := sleeper.SleeperOf(c.Node(0), "x").Watch(t.Context()); !errors.Is(err, mallee.ErrNotFound) {
			t.Errorf("unknown type: %v", err)
		}
		room := mallee.ID{Type: "Room", Key: "hall"}
		if _, err := game.PlayerAt(c.Node(0), room).Echo(t.Context(), "x"); !errors.Is(err, mallee.ErrNotFound) {
			t.Errorf("a room is no player: %v", err)
		}
	})
}

func TestActorThatPanics(t *testing.T) {
	t.Parallel()
	malleetest.Each(t, sleepers, func(t *testing.T, c *malleetest.Cluster) {
		s := sleeper.SleeperOf(c.Node(0), "x")
		if err := s.Panic(t.Context(), "boom"); !errors.Is(err, mallee.ErrPanic) || !strings.Contains(err.Error(), "boom") {
			t.Errorf("got %v", err)
		}
		if err := s.Sleep(t.Context(), 0); err != nil {
			t.Errorf("the next call: %v", err)
		}
	})
}

func TestErrorWithoutText(t *testing.T) {
	t.Parallel()
	malleetest.Each(t, sleepers, func(t *testing.T, c *malleetest.Cluster) {
		err := sleeper.SleeperOf(c.Node(0), "x").Fail(t.Context())
		if err == nil || !strings.Contains(err.Error(), "whose Error method panics") {
			t.Errorf("got %v", err)
		}
	})
}

func TestActorThatBlocksForEver(t *testing.T) {
	t.Parallel()
	malleetest.Each(t, sleepers, func(t *testing.T, c *malleetest.Cluster) {
		s := sleeper.SleeperOf(c.Node(0), "x")
		start := time.Now()
		err := s.Sleep(t.Context(), 20*time.Second)
		if took := time.Since(start); !errors.Is(err, mallee.ErrTimeout) || took > 5200*time.Millisecond {
			t.Errorf("after %v: %v", took, err)
		}
		if !strings.Contains(err.Error(), "Sleeper/x.Sleep") || !strings.Contains(err.Error(), "had been running on node") {
			t.Errorf("the error does not say where the call was: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.Sleep(ctx, 0); !errors.Is(err, mallee.ErrTimeout) {
			t.Errorf("behind it: %v", err)
		}
		if err := sleeper.SleeperOf(c.Node(0), "other").Sleep(t.Context(), 0); err != nil {
			t.Errorf("another actor is disturbed: %v", err)
		}
		time.Sleep(20 * time.Second)
		if err := s.Sleep(t.Context(), 0); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}

func TestCallerThatGivesUpEndsTheTurn(t *testing.T) {
	t.Parallel()
	malleetest.Each(t, sleepers, func(t *testing.T, c *malleetest.Cluster) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- sleeper.SleeperOf(c.Node(0), "x").Watch(ctx) }()
		synctest.Wait()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		synctest.Wait()
		if err := sleeper.SleeperOf(c.Node(0), "x").Sleep(t.Context(), 0); err != nil {
			t.Errorf("the turn did not end: %v", err)
		}
	})
}

func TestCallsToItselfAndInACircle(t *testing.T) {
	t.Parallel()
	malleetest.Each(t, sleepers, func(t *testing.T, c *malleetest.Cluster) {
		for _, chain := range [][]string{{"a"}, {"a", "a"}, {"b", "a"}, {"b", "c", "a", "c", "b"}} {
			if err := sleeper.SleeperOf(c.Node(0), "a").Call(t.Context(), chain, time.Millisecond); err != nil {
				t.Errorf("a → %v: %v", chain, err)
			}
		}
	})
	closed := []mallee.Type{sleeper.SleeperType(sleeper.New, mallee.NonReentrant())}
	malleetest.Each(t, closed, func(t *testing.T, c *malleetest.Cluster) {
		start := time.Now()
		err := sleeper.SleeperOf(c.Node(0), "a").Call(t.Context(), []string{"b", "c", "a"}, 0)
		if !errors.Is(err, mallee.ErrCycle) || time.Since(start) != 0 {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		if !strings.Contains(err.Error(), "Sleeper/a → Sleeper/b → Sleeper/c → Sleeper/a") {
			t.Errorf("the error does not name the cycle: %v", err)
		}
	})
}
