package replicated_test

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/mallee-io/mallee/crdt"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/crdtpb"
	v01 "github.com/mallee-io/mallee/internal/gen/cloudstatepb/crdtpb/v01"
	"github.com/mallee-io/mallee/sidecar/internal/replicated"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
)

func old(c *replicated.Config) { c.Model.Dialect = spec.Dialect01 }

// oldReply is a reply in dialect 0.1.
func oldReply(id int64, streamed bool, action *v01.CrdtStateAction) proto.Message {
	return &v01.CrdtStreamOut{Message: &v01.CrdtStreamOut_Reply{Reply: &v01.CrdtReply{CommandId: id, Streamed: streamed, StateAction: action}}}
}

func create(s *v01.CrdtState) *v01.CrdtStateAction {
	return &v01.CrdtStateAction{Action: &v01.CrdtStateAction_Create{Create: s}}
}

func oldUpdate(d *v01.CrdtDelta) *v01.CrdtStateAction {
	return &v01.CrdtStateAction{Action: &v01.CrdtStateAction_Update{Update: d}}
}

func oldCounter(n uint64) *v01.CrdtDelta {
	return &v01.CrdtDelta{Delta: &v01.CrdtDelta_Gcounter{Gcounter: &crdtpb.GCounterDelta{Increment: n}}}
}

func counterState(n uint64) *v01.CrdtState {
	return &v01.CrdtState{State: &v01.CrdtState_Gcounter{Gcounter: &v01.GCounterState{Value: n}}}
}

func TestOldDialect(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		c := w.watch("")
		w.hears(`{"init":{"serviceName":"test.Entity","entityId":"it"}}`,
			`{"command":{"entityId":"it","id":"1","name":"Watch","payload":{"@type":"type.googleapis.com/google.protobuf.StringValue","value":""},"streamed":true}}`)
		w.says(oldReply(1, true, create(counterState(3))))
		w.got(c, "nothing")
		w.elsewhere(&crdt.Delta{Kind: crdt.KindGCounter, Increment: 1})
		w.hears(`{"changed":{"gcounter":{"increment":"1"}}}`)
		w.leaves(c)
		w.hears(`{"streamCancelled":{"entityId":"it","id":"1"}}`)
		w.says(&v01.CrdtStreamOut{Message: &v01.CrdtStreamOut_StreamCancelledResponse{StreamCancelledResponse: &v01.CrdtStreamCancelledResponse{
			CommandId: 1, StateAction: oldUpdate(oldCounter(2))}}})
		w.got(c, "left", "nothing", "end")
		w.has(6)
		must(w.there.Replica(w.name).Delete())
		w.here.catchUp()
		w.hears(`{"deleted":{}}`, "half-close")
		w.reported()
	}, old)
}

func TestOldDialectHasStates(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.do("")
		w.hears(`{"init":{"serviceName":"test.Entity","entityId":"it"}}`,
			`{"command":{"entityId":"it","id":"1","name":"Do","payload":{"@type":"type.googleapis.com/google.protobuf.StringValue","value":""}}}`)
		w.says(oldReply(1, false, nil))
		inMap := func(self bool) *crdt.Delta {
			vote := crdt.Entry{Key: replicated.ElementOf(nil), Delta: &crdt.Delta{Kind: crdt.KindVote, Self: self}}
			return &crdt.Delta{Kind: crdt.KindORMap, Inserted: []crdt.Entry{vote}}
		}
		w.elsewhere(inMap(true))
		w.hears(`{"state":{"ormap":{"entries":[{"key":{},"value":{"vote":{"votesFor":1,"totalVoters":2}}}]}}}`)
		w.elsewhere(inMap(false))
		w.hears(`{"changed":{"ormap":{"updated":[{"key":{},"delta":{"vote":{"totalVoters":2}}}]}}}`)
	}, old)
}

func TestOldDialectCreatesOnce(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]struct {
		there  bool
		action *v01.CrdtStateAction
	}{
		"created with less":        {true, create(counterState(0))},
		"empty":                    {false, &v01.CrdtStateAction{}},
		"created of nothing":       {false, create(&v01.CrdtState{})},
		"updated with nothing":     {true, oldUpdate(&v01.CrdtDelta{})},
		"with an unknown level":    {true, &v01.CrdtStateAction{Action: oldUpdate(oldCounter(1)).Action, WriteConsistency: 9}},
		"created, of another type": {false, create(&v01.CrdtState{State: &v01.CrdtState_Ormap{Ormap: &v01.ORMapState{Entries: []*v01.ORMapEntry{{}}}}})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				if s.there {
					w.elsewhere(&crdt.Delta{Kind: crdt.KindGCounter, Increment: 1})
				}
				c := w.do("")
				w.says(oldReply(1, false, s.action))
				w.got(c, "failed: Entity terminating")
			}, old)
		})
	}
}

// The library for Node does not create a value that it has by default, and later
// changes it.
func TestOldDialectUpdatesDefault(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		c := w.do("")
		w.says(oldReply(1, false, nil))
		w.got(c, "nothing", "end")
		c = w.do("")
		w.says(oldReply(2, false, oldUpdate(oldCounter(1))))
		w.got(c, "nothing", "end")
		w.has(1)
	}, old)
}

// The library for Java creates a value with its first change, when it has got one
// already that others have created.
func TestOldDialectCreatesWhatIsThere(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		command := func(id string) string {
			return `{"command":{"entityId":"it","id":"` + id + `","name":"Do","payload":{"@type":"type.googleapis.com/google.protobuf.StringValue","value":""}}}`
		}
		c := w.do("")
		w.hears(`{"init":{"serviceName":"test.Entity","entityId":"it"}}`, command("1"))
		w.says(oldReply(1, false, nil))
		w.got(c, "nothing", "end")
		w.elsewhere(&crdt.Delta{Kind: crdt.KindGCounter, Increment: 1})
		w.hears(`{"state":{"gcounter":{"value":"1"}}}`)
		c = w.do("")
		w.hears(command("2"))
		w.says(oldReply(2, false, create(counterState(3))))
		w.got(c, "nothing", "end")
		w.has(3)
		c = w.do("")
		w.hears(command("3")) // and nothing that it has itself
		w.says(oldReply(3, false, create(counterState(3))))
		w.got(c, "nothing", "end")
		w.has(3)
	}, old)
}

// A user function whose dialect was mistaken shows it with its first change.
func TestDialectIsMistaken(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		c := w.do("")
		w.says(oldReply(1, false, create(counterState(3))))
		w.got(c, "failed: Entity terminating")
		c = w.do("")
		w.says(oldReply(1, false, create(counterState(3))))
		w.got(c, "nothing", "end")
		w.has(3)
		c = w.do("")
		w.says(answer{id: 2, update: gcounter(1)}.reply()) // it does not change a second time
		w.got(c, "failed: Entity terminating")
		c = w.do("")
		w.says(oldReply(1, false, oldUpdate(oldCounter(1))))
		w.got(c, "nothing", "end")
		w.has(4)
	})
	inWorld(t, func(w *world) {
		w.do("")
		w.says(answer{id: 1, update: gcounter(1)}.reply())
		c := w.do("")
		w.says(answer{id: 1, update: gcounter(1)}.reply())
		w.got(c, "nothing", "end")
		w.has(1)
	}, old)
}
