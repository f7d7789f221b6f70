package replicas_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/crdt"
	"github.com/mallee-io/mallee/examples/game"
	"github.com/mallee-io/mallee/malleetest"
	"github.com/mallee-io/mallee/node"
)

// patience bounds waits for what must come, by fake time.
const patience = time.Minute

// visits is a counter that every node has.
func visits(n *node.Node) *mallee.Replicated[crdt.PNCounter] {
	return mallee.NewReplicated[crdt.PNCounter](n, mallee.ID{Type: "Page", Key: "visits"})
}

func patient(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// reaches waits until a counter has a value.
func reaches(t *testing.T, r *mallee.Replicated[crdt.PNCounter], want int64) {
	t.Helper()
	for c := range r.Changes(patient(t)) {
		if got, err := c.Value(); err == nil && got == want {
			return
		}
	}
	got, err := r.Value.Value()
	t.Fatalf("the counter is at %d, %v, want %d", got, err, want)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func add(t *testing.T, r *mallee.Replicated[crdt.PNCounter], n int64) {
	t.Helper()
	must(t, r.Wait(patient(t), crdt.Local))
	if _, err := r.Value.Add(n); err != nil {
		t.Fatal(err)
	}
}

func TestChangeIsSeenOnAllNodes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := malleetest.Start(t, 3, game.Types()...)
		for i := range 3 {
			add(t, visits(c.Node(i)), 1)
		}
		for i := range 3 {
			reaches(t, visits(c.Node(i)), 3)
		}
	})
}
