package replicated_test

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/crdtpb"
)

// What is said on a stream, as text.

func text(s string) *anypb.Any { return &anypb.Any{TypeUrl: "t", Value: []byte(s)} }

func texts(all ...string) (list []*anypb.Any) {
	for _, s := range all {
		list = append(list, text(s))
	}
	return list
}

// textOf is a message to the user function.
func textOf(m proto.Message) string {
	in, ok := m.(*crdtpb.CrdtStreamIn)
	if !ok { // of the other dialect
		b, err := protojson.Marshal(m)
		must(err)
		return strings.ReplaceAll(string(b), " ", "")
	}
	switch in := in.GetMessage().(type) {
	case *crdtpb.CrdtStreamIn_Init:
		if in.Init.Delta != nil {
			return fmt.Sprintf("init(%s %s %s)", in.Init.ServiceName, in.Init.EntityId, deltaText(in.Init.Delta))
		}
		return fmt.Sprintf("init(%s %s)", in.Init.ServiceName, in.Init.EntityId)
	case *crdtpb.CrdtStreamIn_Delta:
		return deltaText(in.Delta)
	case *crdtpb.CrdtStreamIn_Delete:
		return "delete"
	case *crdtpb.CrdtStreamIn_Command:
		c := in.Command
		streamed := ""
		if c.Streamed {
			streamed = " streamed"
		}
		return fmt.Sprintf("command(%d %s %s%s)", c.Id, c.Name, c.Payload.GetValue(), streamed)
	case *crdtpb.CrdtStreamIn_StreamCancelled:
		return fmt.Sprintf("cancelled(%d)", in.StreamCancelled.Id)
	}
	return "nothing"
}

func deltaText(d *crdtpb.CrdtDelta) string {
	switch d := d.GetDelta().(type) {
	case *crdtpb.CrdtDelta_Gcounter:
		return fmt.Sprintf("gcounter(%d)", d.Gcounter.Increment)
	case *crdtpb.CrdtDelta_Pncounter:
		return fmt.Sprintf("pncounter(%d)", d.Pncounter.Change)
	case *crdtpb.CrdtDelta_Gset:
		return "gset" + list(false, nil, d.Gset.Added)
	case *crdtpb.CrdtDelta_Orset:
		return "orset" + list(d.Orset.Cleared, d.Orset.Removed, d.Orset.Added)
	case *crdtpb.CrdtDelta_Lwwregister:
		return fmt.Sprintf("register(%s)", d.Lwwregister.Value.GetValue())
	case *crdtpb.CrdtDelta_Flag:
		return fmt.Sprintf("flag(%v)", d.Flag.Value)
	case *crdtpb.CrdtDelta_Vote:
		return fmt.Sprintf("vote(%v %d/%d)", d.Vote.SelfVote, d.Vote.VotesFor, d.Vote.TotalVoters)
	case *crdtpb.CrdtDelta_Ormap:
		var more []string
		for _, e := range d.Ormap.Updated {
			more = append(more, fmt.Sprintf("%s:%s", e.Key.GetValue(), deltaText(e.Delta)))
		}
		for _, e := range d.Ormap.Added {
			more = append(more, fmt.Sprintf("+%s:%s", e.Key.GetValue(), deltaText(e.Delta)))
		}
		return "ormap" + list(d.Ormap.Cleared, d.Ormap.Removed, nil, more...)
	}
	return "nothing"
}

func list(cleared bool, removed, added []*anypb.Any, more ...string) string {
	var all []string
	if cleared {
		all = append(all, "cleared")
	}
	for _, a := range removed {
		all = append(all, "-"+string(a.GetValue()))
	}
	for _, a := range added {
		all = append(all, "+"+string(a.GetValue()))
	}
	return "(" + strings.Join(append(all, more...), " ") + ")"
}

// answer is what the user function says to a command; which of the messages it
// becomes is chosen by its methods.
type answer struct {
	id      int64
	text    string // of a reply; empty: no action
	fail    string // of a failure
	forward string
	effects []string

	update   *crdtpb.CrdtDelta
	empty    bool // an update with nothing in it
	delete   bool
	level    crdtpb.CrdtWriteConsistency
	streamed bool
	ends     bool
}

func (a answer) action() *cloudstatepb.ClientAction {
	switch {
	case a.fail != "":
		return &cloudstatepb.ClientAction{Action: &cloudstatepb.ClientAction_Failure{Failure: &cloudstatepb.Failure{CommandId: a.id, Description: a.fail}}}
	case a.forward != "":
		return &cloudstatepb.ClientAction{Action: &cloudstatepb.ClientAction_Forward{Forward: &cloudstatepb.Forward{CommandName: a.forward}}}
	case a.text != "":
		return &cloudstatepb.ClientAction{Action: &cloudstatepb.ClientAction_Reply{Reply: &cloudstatepb.Reply{Payload: text(a.text)}}}
	}
	return nil
}

func (a answer) sideEffects() (all []*cloudstatepb.SideEffect) {
	for _, e := range a.effects {
		all = append(all, &cloudstatepb.SideEffect{CommandName: e})
	}
	return all
}

func (a answer) stateAction() *crdtpb.CrdtStateAction {
	switch {
	case a.update != nil:
		return &crdtpb.CrdtStateAction{Action: &crdtpb.CrdtStateAction_Update{Update: a.update}, WriteConsistency: a.level}
	case a.empty:
		return &crdtpb.CrdtStateAction{Action: &crdtpb.CrdtStateAction_Update{Update: &crdtpb.CrdtDelta{}}}
	case a.delete:
		return &crdtpb.CrdtStateAction{Action: &crdtpb.CrdtStateAction_Delete{Delete: &crdtpb.CrdtDelete{}}, WriteConsistency: a.level}
	}
	return nil
}

func (a answer) reply() proto.Message {
	return &crdtpb.CrdtStreamOut{Message: &crdtpb.CrdtStreamOut_Reply{Reply: &crdtpb.CrdtReply{
		CommandId: a.id, ClientAction: a.action(), SideEffects: a.sideEffects(), StateAction: a.stateAction(), Streamed: a.streamed,
	}}}
}

func (a answer) message() proto.Message {
	return &crdtpb.CrdtStreamOut{Message: &crdtpb.CrdtStreamOut_StreamedMessage{StreamedMessage: &crdtpb.CrdtStreamedMessage{
		CommandId: a.id, ClientAction: a.action(), SideEffects: a.sideEffects(), EndStream: a.ends,
	}}}
}

func (a answer) response() proto.Message {
	return &crdtpb.CrdtStreamOut{Message: &crdtpb.CrdtStreamOut_StreamCancelledResponse{StreamCancelledResponse: &crdtpb.CrdtStreamCancelledResponse{
		CommandId: a.id, SideEffects: a.sideEffects(), StateAction: a.stateAction(),
	}}}
}

func (a answer) failure() proto.Message {
	return &crdtpb.CrdtStreamOut{Message: &crdtpb.CrdtStreamOut_Failure{Failure: &cloudstatepb.Failure{CommandId: a.id, Description: a.fail}}}
}

func gcounter(n uint64) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Gcounter{Gcounter: &crdtpb.GCounterDelta{Increment: n}}}
}

func pncounter(n int64) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Pncounter{Pncounter: &crdtpb.PNCounterDelta{Change: n}}}
}

func gset(added ...string) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Gset{Gset: &crdtpb.GSetDelta{Added: texts(added...)}}}
}

func orset(cleared bool, removed, added []string) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Orset{Orset: &crdtpb.ORSetDelta{Cleared: cleared, Removed: texts(removed...), Added: texts(added...)}}}
}

func register(value string, clock crdtpb.CrdtClock, custom int64) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Lwwregister{Lwwregister: &crdtpb.LWWRegisterDelta{Value: text(value), Clock: clock, CustomClockValue: custom}}}
}

func flag(enabled bool) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Flag{Flag: &crdtpb.FlagDelta{Value: enabled}}}
}

func vote(self bool) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Vote{Vote: &crdtpb.VoteDelta{SelfVote: self}}}
}

// under is a change of what a map has at a key.
func under(key string, d *crdtpb.CrdtDelta) []*crdtpb.ORMapEntryDelta {
	return []*crdtpb.ORMapEntryDelta{{Key: text(key), Delta: d}}
}

func ormap(d *crdtpb.ORMapDelta) *crdtpb.CrdtDelta {
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Ormap{Ormap: d}}
}
