package sidecar_test

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/crdt"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/crdtpb"
	"github.com/mallee-io/mallee/internal/gen/tckpb/tckcrdt"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/sidecar"
	"github.com/mallee-io/mallee/sidecar/sidecartest"
	"github.com/mallee-io/mallee/storage"
)

// team is some sidecars of one cluster, each with a user function of its own. They
// may be stopped before the end.
func team(t *testing.T, n int) (all []*pair) {
	t.Helper()
	cluster, store, silent := placement.Memory(time.Minute), storage.Memory(), slog.New(slog.DiscardHandler)
	for range n {
		f := sidecartest.Start(t, sidecartest.Config{})
		s, err := sidecar.Start(t.Context(), sidecar.Config{
			Function: f.Addr(), Listen: "127.0.0.1:0", Log: silent,
			Node: node.Config{Store: store, Placement: cluster, Listen: "127.0.0.1:0", Log: silent},
		})
		if err != nil {
			t.Fatal(err)
		}
		p := &pair{T: t, Function: f, side: s, ctx: patience(t)}
		t.Cleanup(func() {
			if s.Addr() != "" {
				p.stops()
			}
		})
		if err := s.Ready(p.ctx); err != nil {
			t.Fatal(err)
		}
		p.conn = connect(t, s.Addr())
		all = append(all, p)
	}
	return all
}

func (p *pair) stops() {
	p.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), sidecartest.Patience)
	defer cancel()
	if err := p.side.Stop(ctx); err != nil {
		p.Errorf("stop: %v", err)
	}
}

func (p *pair) changes(id string, updates ...*tckcrdt.Update) (*tckcrdt.State, error) {
	r := &tckcrdt.Request{Id: id}
	for _, u := range updates {
		r.Actions = append(r.Actions, &tckcrdt.RequestAction{Action: &tckcrdt.RequestAction_Update{Update: u}})
	}
	response, err := tckcrdt.NewCrdtTckModelClient(p.conn).Process(p.ctx, r)
	return response.GetState(), err
}

func (p *pair) watches(r *tckcrdt.StreamedRequest) grpc.ServerStreamingClient[tckcrdt.Response] {
	p.Helper()
	stream, err := tckcrdt.NewCrdtTckModelClient(p.conn).ProcessStreamed(p.ctx, r)
	if err != nil {
		p.Fatal(err)
	}
	return stream
}

// until receives until the value is as wanted.
func until(t *testing.T, stream grpc.ServerStreamingClient[tckcrdt.Response], wanted func(*tckcrdt.State) bool) {
	t.Helper()
	for {
		got, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if wanted(got.GetState()) {
			return
		}
	}
}

func increment(n int64, c tckcrdt.UpdateWriteConsistency) *tckcrdt.Update {
	return &tckcrdt.Update{WriteConsistency: c, Update: &tckcrdt.Update_Pncounter{Pncounter: &tckcrdt.PNCounterUpdate{Change: n}}}
}

func votes(self bool) *tckcrdt.Update {
	return &tckcrdt.Update{Update: &tckcrdt.Update_Vote{Vote: &tckcrdt.VoteUpdate{SelfVote: self}}}
}

// A change is seen on the other node: by who watches, by who asks, and by Go.
func TestReplicatedInACluster(t *testing.T) {
	t.Parallel()
	both := team(t, 2)
	one, other := both[0], both[1]
	const id = "PNCounter-shared"
	is := func(want int64) func(*tckcrdt.State) bool {
		return func(s *tckcrdt.State) bool { return s.GetPncounter().GetValue() == want }
	}
	stream := other.watches(&tckcrdt.StreamedRequest{Id: id})
	until(t, stream, is(0))
	if got, err := one.changes(id, increment(3, tckcrdt.UpdateWriteConsistency_ALL)); err != nil || !is(3)(got) {
		t.Fatalf("got %v, %v", got, err)
	}
	until(t, stream, is(3))
	if got, err := other.changes(id, increment(4, tckcrdt.UpdateWriteConsistency_MAJORITY)); err != nil || !is(7)(got) {
		t.Fatalf("got %v, %v", got, err)
	}
	until(t, stream, is(7))
	eventually(t, func() error {
		got, err := one.changes(id)
		if err == nil && !is(7)(got) {
			err = mallee.ErrUnavailable.Errorf("got %v", got)
		}
		return err
	})
	value := mallee.NewReplicated[crdt.PNCounter](one.side.Node(), mallee.ID{Type: "cloudstate.tck.model.crdt.CrdtTckModel:crdt-tck-model", Key: id})
	if got, err := value.Value.Add(1); err != nil || got != 8 {
		t.Errorf("Go code has %d, %v", got, err)
	}
	until(t, stream, is(8))
}

// A member that leaves is not counted any more.
func TestReplicatedVotesOfMembers(t *testing.T) {
	t.Parallel()
	both := team(t, 2)
	one, other := both[0], both[1]
	const id = "Vote-shared"
	is := func(votes, voters int32) func(*tckcrdt.State) bool {
		return func(s *tckcrdt.State) bool {
			return s.GetVote().GetVotesFor() == votes && s.GetVote().GetTotalVoters() == voters
		}
	}
	for _, p := range []*pair{one, other} {
		if _, err := p.changes(id, votes(true)); err != nil {
			t.Fatal(err)
		}
	}
	stream := one.watches(&tckcrdt.StreamedRequest{Id: id})
	until(t, stream, is(2, 2))
	other.stops()
	until(t, stream, is(1, 1))
}

// Streams of clients have no end of their own: a sidecar that stops ends them in
// good order, and their user function hears that their callers have gone.
func TestReplicatedStreamsEndWithTheSidecar(t *testing.T) {
	t.Parallel()
	p := team(t, 1)[0]
	stream := p.watches(&tckcrdt.StreamedRequest{Id: "Vote-it", InitialUpdate: votes(true), CancelUpdate: votes(false)})
	until(t, stream, func(s *tckcrdt.State) bool { return s.GetVote().GetSelfVote() })
	p.stops()
	for err := error(nil); err != io.EOF; _, err = stream.Recv() {
		if err != nil {
			t.Fatal(err)
		}
	}
	p.Expect(t, sidecartest.Discover)
	c := p.Expect(t, sidecartest.CRDT)
	for !proto.Equal(c.NextIn(), &crdtpb.CrdtStreamIn{Message: &crdtpb.CrdtStreamIn_StreamCancelled{
		StreamCancelled: &cloudstatepb.StreamCancelled{EntityId: "Vote-it", Id: 1},
	}}) {
	}
	if change := c.NextOut().(*crdtpb.CrdtStreamOut).GetReply().GetStateAction(); change == nil {
		t.Error("the reply changes nothing")
	}
	for c.NextOut().(*crdtpb.CrdtStreamOut).GetStreamCancelledResponse().GetStateAction() == nil {
	}
	c.HalfClosed()
}

// What is wrong with a command, or its answer, is for its caller alone.
func TestReplicatedRefusals(t *testing.T) {
	t.Parallel()
	p := start(t, sidecartest.Config{}, sidecar.Config{})
	_, err := p.changes("", increment(1, 0))
	fails(t, err, codes.InvalidArgument, "")
	if _, err := p.changes("PNCounter-it", increment(1, 0)); err != nil {
		t.Error(err)
	}
	remove := &tckcrdt.Request{Id: "PNCounter-it", Actions: []*tckcrdt.RequestAction{{Action: &tckcrdt.RequestAction_Delete{Delete: &tckcrdt.Delete{}}}}}
	if _, err := tckcrdt.NewCrdtTckModelClient(p.conn).Process(p.ctx, remove); err != nil {
		t.Error(err)
	}
	_, err = p.changes("PNCounter-it", increment(1, 0))
	fails(t, err, codes.Unknown, "Entity deleted")
}
