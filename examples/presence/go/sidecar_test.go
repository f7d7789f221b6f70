package main

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mallee-io/mallee/examples/presence/roompb"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/sidecar"
	"github.com/mallee-io/mallee/storage"
)

// patience bounds what a busy machine may take.
const patience = time.Minute

// lease is how long a sidecar that dies is still taken for alive.
const lease = 5 * time.Second

// city is a sidecar with a user function beside it.
type city struct {
	rooms roompb.RoomClient
	stop  func()
}

func build(t *testing.T, c node.Config) city {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s, err := sidecar.Start(ctx, sidecar.Config{Function: start(t), Listen: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler), Node: c})
	if err != nil {
		t.Fatal(err)
	}
	stop := sync.OnceFunc(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		if err := s.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	if err := s.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	return city{roompb.NewRoomClient(dial(t, s.Addr())), stop}
}

// stay enters a room, and returns a function that waits until it is as wanted.
func (c city) stay(t *testing.T, name string) (sees func(wanted func(*roompb.View) bool), leave func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	stream, err := c.rooms.Stay(ctx, &roompb.Visitor{Room: "hall", Name: name})
	if err != nil {
		t.Fatal(err)
	}
	return func(wanted func(*roompb.View) bool) {
		t.Helper()
		for {
			view, err := stream.Recv()
			if err != nil {
				t.Fatal(err)
			}
			if wanted(view) {
				return
			}
		}
	}, cancel
}

func online(names ...string) func(*roompb.View) bool {
	return func(v *roompb.View) bool { return slices.Equal(v.GetOnline(), names) }
}

// Visitors of two sidecars see one another come and go, and how both vote.
func TestRoomOfTwoSidecars(t *testing.T) {
	t.Parallel()
	c := node.Config{Store: storage.Memory(), Placement: placement.Memory(lease)}
	oslo, lima := build(t, c), build(t, c)
	annSees, _ := oslo.stay(t, "ann")
	bobSees, bobLeaves := lima.stay(t, "bob")
	annSees(online("ann", "bob"))
	bobSees(online("ann", "bob"))
	if _, err := lima.rooms.Vote(t.Context(), &roompb.Ballot{Room: "hall", InFavor: true}); err != nil {
		t.Fatal(err)
	}
	annSees(func(v *roompb.View) bool { return v.GetVotesFor() == 1 && v.GetVoters() == 2 && v.GetVisits() == 2 })
	bobLeaves()
	annSees(online("ann"))

	eveSees, _ := lima.stay(t, "eve")
	eveSees(online("ann", "eve"))
	annSees(online("ann", "eve"))
	lima.stop() // its visitors and its vote go with it
	annSees(func(v *roompb.View) bool {
		return online("ann")(v) && v.GetVotesFor() == 0 && v.GetVoters() == 1 && v.GetVisits() == 3
	})
}
