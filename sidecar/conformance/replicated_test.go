package conformance_test

import (
	"context"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/mallee-io/mallee/internal/gen/tckpb/tckcrdt"
	"github.com/mallee-io/mallee/sidecar/sidecartest"
)

// monitors checks what a monitor of a vote sees of others who are connected and
// go away. Unlike check 181 it does not care how often the monitor is told the
// same.
func monitors(t *testing.T, function string) {
	client := tckcrdt.NewCrdtTckModelClient(connect(t, start(t, function, 0).Addr()))
	ctx, cancel := context.WithTimeout(t.Context(), sidecartest.Patience)
	defer cancel()
	const id = "Vote-monitored"
	monitor, err := client.ProcessStreamed(ctx, &tckcrdt.StreamedRequest{Id: id})
	sees := func(self bool, votes int32) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		want := &tckcrdt.VoteValue{SelfVote: self, VotesFor: votes, TotalVoters: 1}
		for {
			got, err := monitor.Recv()
			if err != nil {
				t.Fatalf("before %v: %v", want, err)
			}
			if proto.Equal(got.GetState().GetVote(), want) {
				return
			}
		}
	}
	sees(false, 0)
	for range 3 {
		connected, disconnect := context.WithCancel(ctx)
		_, err := client.ProcessStreamed(connected, &tckcrdt.StreamedRequest{Id: id, InitialUpdate: vote(true), CancelUpdate: vote(false), Empty: true})
		if err != nil {
			t.Fatal(err)
		}
		sees(true, 1)
		disconnect()
		sees(false, 0)
	}
	got, err := client.Process(ctx, &tckcrdt.Request{Id: id})
	if err != nil || got.GetState().GetVote().GetSelfVote() {
		t.Errorf("after all it is %v, %v", got, err)
	}
}

func vote(self bool) *tckcrdt.Update {
	return &tckcrdt.Update{Update: &tckcrdt.Update_Vote{Vote: &tckcrdt.VoteUpdate{SelfVote: self}}}
}
