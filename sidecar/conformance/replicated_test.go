package conformance_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/mallee-io/mallee/internal/gen/tckpb/tckcrdt"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/sidecar"
	"github.com/mallee-io/mallee/sidecar/sidecartest"
	"github.com/mallee-io/mallee/storage"
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

// spreads checks that what is changed on one of two nodes, which have the user
// function beside them, gets to the other one, for all types of values.
func spreads(t *testing.T, function string) {
	cluster, store := placement.Memory(time.Minute), storage.Memory()
	var nodes []tckcrdt.CrdtTckModelClient
	for range 2 {
		s := startWith(t, sidecar.Config{Function: function, Node: node.Config{Store: store, Placement: cluster, Listen: "127.0.0.1:0"}})
		nodes = append(nodes, tckcrdt.NewCrdtTckModelClient(connect(t, s.Addr())))
	}
	for _, s := range spreading() {
		t.Run(s.id, func(t *testing.T) { s.check(t, nodes) })
	}
}

// spread is an entity, and changes that are made on one node after the other. All
// texts are JSON.
type spread struct {
	id      string
	changes []change
}

type change struct {
	update string
	seen   string // on the other node, afterwards
}

func spreading() []spread {
	const entry = `{"key":"GCounter-1","value":{"gcounter":{"value":3}}}`
	return []spread{
		{"GCounter-spread", []change{
			{`{"gcounter":{"increment":1}}`, `{"gcounter":{"value":1}}`},
			{`{"gcounter":{"increment":2}}`, `{"gcounter":{"value":3}}`},
		}},
		{"PNCounter-spread", []change{
			{`{"pncounter":{"change":5}}`, `{"pncounter":{"value":5}}`},
			{`{"pncounter":{"change":-7}}`, `{"pncounter":{"value":-2}}`},
		}},
		{"GSet-spread", []change{
			{`{"gset":{"add":"a"}}`, `{"gset":{"elements":["a"]}}`},
			{`{"gset":{"add":"b"}}`, `{"gset":{"elements":["a","b"]}}`},
		}},
		{"ORSet-spread", []change{
			{`{"orset":{"add":"a"}}`, `{"orset":{"elements":["a"]}}`},
			{`{"orset":{"add":"b"}}`, `{"orset":{"elements":["a","b"]}}`},
			{`{"orset":{"remove":"a"}}`, `{"orset":{"elements":["b"]}}`},
			{`{"orset":{"clear":true}}`, `{"orset":{}}`},
			{`{"orset":{"add":"a"}}`, `{"orset":{"elements":["a"]}}`},
		}},
		{"LWWRegister-spread", []change{
			{`{"lwwregister":{"value":"x"}}`, `{"lwwregister":{"value":"x"}}`},
			{`{"lwwregister":{"value":"y"}}`, `{"lwwregister":{"value":"y"}}`},
		}},
		{"Flag-spread", []change{{`{"flag":{}}`, `{"flag":{"value":true}}`}}},
		{"ORMap-spread", []change{
			{`{"ormap":{"update":{"key":"GCounter-1","update":{"gcounter":{"increment":1}}}}}`, `{"ormap":{"entries":[{"key":"GCounter-1","value":{"gcounter":{"value":1}}}]}}`},
			{`{"ormap":{"update":{"key":"GCounter-1","update":{"gcounter":{"increment":2}}}}}`, `{"ormap":{"entries":[` + entry + `]}}`},
			{`{"ormap":{"add":"Flag-1"}}`, `{"ormap":{"entries":[{"key":"Flag-1","value":{"flag":{}}},` + entry + `]}}`},
			{`{"ormap":{"remove":"Flag-1"}}`, `{"ormap":{"entries":[` + entry + `]}}`},
			{`{"ormap":{"clear":true}}`, `{"ormap":{}}`},
		}},
		{"Vote-spread", []change{
			{`{"vote":{"selfVote":true}}`, `{"vote":{"votesFor":1,"totalVoters":2}}`},
			{`{"vote":{"selfVote":true}}`, `{"vote":{"selfVote":true,"votesFor":2,"totalVoters":2}}`},
			{`{"vote":{"selfVote":false}}`, `{"vote":{"selfVote":true,"votesFor":1,"totalVoters":2}}`},
		}},
	}
}

func (s spread) check(t *testing.T, nodes []tckcrdt.CrdtTckModelClient) {
	ctx, cancel := context.WithTimeout(t.Context(), sidecartest.Patience)
	defer cancel()
	process := func(n int, actions ...*tckcrdt.RequestAction) *tckcrdt.State {
		t.Helper()
		got, err := nodes[n%len(nodes)].Process(ctx, &tckcrdt.Request{Id: s.id, Actions: actions})
		if err != nil {
			t.Fatal(err)
		}
		return got.GetState()
	}
	for n := range nodes {
		process(n) // each of them has it
	}
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for n, c := range s.changes {
		var (
			update tckcrdt.Update
			want   tckcrdt.State
		)
		if err := errors.Join(protojson.Unmarshal([]byte(c.update), &update), protojson.Unmarshal([]byte(c.seen), &want)); err != nil {
			t.Fatal(err)
		}
		process(n, &tckcrdt.RequestAction{Action: &tckcrdt.RequestAction_Update{Update: &update}})
		for got := process(n + 1); !proto.Equal(got, &want); got = process(n + 1) {
			select {
			case <-again.C:
			case <-ctx.Done():
				t.Fatalf("after %s the other node has %v", c.update, got)
			}
		}
	}
}

func vote(self bool) *tckcrdt.Update {
	return &tckcrdt.Update{Update: &tckcrdt.Update_Vote{Vote: &tckcrdt.VoteUpdate{SelfVote: self}}}
}
