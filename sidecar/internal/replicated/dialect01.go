package replicated

import (
	"google.golang.org/protobuf/proto"

	"github.com/mallee-io/mallee/crdt"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/crdtpb"
	v01 "github.com/mallee-io/mallee/internal/gen/cloudstatepb/crdtpb/v01"
)

// dialect01 is protocol 0.1, where a whole value is a state of its own.
type dialect01 struct{}

func (dialect01) begin(service, id string, initial *crdt.Delta) (proto.Message, error) {
	p := &v01.CrdtInit{ServiceName: service, EntityId: id}
	if initial != nil {
		var err error
		if p.State, err = stateOf(initial); err != nil {
			return nil, err
		}
	}
	return &v01.CrdtStreamIn{Message: &v01.CrdtStreamIn_Init{Init: p}}, nil
}

func (dialect01) appeared(initial *crdt.Delta) (proto.Message, error) {
	p, err := stateOf(initial)
	return &v01.CrdtStreamIn{Message: &v01.CrdtStreamIn_State{State: p}}, err
}

func (dialect01) changed(d *crdt.Delta) (proto.Message, error) {
	p, err := oldProtoOf(d)
	return &v01.CrdtStreamIn{Message: &v01.CrdtStreamIn_Changed{Changed: p}}, err
}

func (dialect01) deleted() proto.Message {
	return &v01.CrdtStreamIn{Message: &v01.CrdtStreamIn_Deleted{Deleted: &crdtpb.CrdtDelete{}}}
}

func (dialect01) command(c *cloudstatepb.Command) proto.Message {
	return &v01.CrdtStreamIn{Message: &v01.CrdtStreamIn_Command{Command: c}}
}

func (dialect01) cancelled(c *cloudstatepb.StreamCancelled) proto.Message {
	return &v01.CrdtStreamIn{Message: &v01.CrdtStreamIn_StreamCancelled{StreamCancelled: c}}
}

func (dialect01) message() proto.Message { return &v01.CrdtStreamOut{} }

func (d dialect01) read(m proto.Message) (s said, err error) {
	switch m := m.(*v01.CrdtStreamOut).GetMessage().(type) {
	case *v01.CrdtStreamOut_Reply:
		s = saidReply(m.Reply, m.Reply.GetStreamed())
		s.change, err = d.change(m.Reply.GetStateAction())
	case *v01.CrdtStreamOut_StreamedMessage:
		s = saidStreamed(m.StreamedMessage, m.StreamedMessage.GetEndStream())
	case *v01.CrdtStreamOut_StreamCancelledResponse:
		r := m.StreamCancelledResponse
		s = said{what: cancelResponse, id: r.GetCommandId(), effects: r.GetSideEffects()}
		s.change, err = d.change(r.GetStateAction())
	case *v01.CrdtStreamOut_Failure:
		s = saidFailure(m.Failure)
	default:
		err = errNothing
	}
	return s, err
}

func (dialect01) change(p *v01.CrdtStateAction) (c *change, err error) {
	if p == nil {
		return nil, nil
	}
	c = &change{}
	switch action := p.GetAction().(type) {
	case *v01.CrdtStateAction_Create:
		c.creates = true
		c.delta, err = initialOf(action.Create)
	case *v01.CrdtStateAction_Update: // also of a value that Node's library has by default, and does not create
		c.delta, err = oldDeltaOf(action.Update)
	case *v01.CrdtStateAction_Delete:
	default:
		if len(p.ProtoReflect().GetUnknown()) > 0 {
			return nil, errOtherDialect
		}
		err = errStateAction
	}
	if err == nil {
		c.consistency, err = consistencyOf(p.GetWriteConsistency())
	}
	return c, err
}

// oldDeltaOf reads a change that the user function has sent.
func oldDeltaOf(p *v01.CrdtDelta) (*crdt.Delta, error) {
	switch p := p.GetDelta().(type) {
	case *v01.CrdtDelta_Gcounter:
		return gcounterOf(p.Gcounter.GetIncrement()), nil
	case *v01.CrdtDelta_Pncounter:
		return pncounterOf(p.Pncounter.GetChange()), nil
	case *v01.CrdtDelta_Gset:
		return &crdt.Delta{Kind: crdt.KindGSet, Added: elementsOf(p.Gset.GetAdded())}, nil
	case *v01.CrdtDelta_Orset:
		return orsetOf(p.Orset), nil
	case *v01.CrdtDelta_Lwwregister:
		return registerOf(p.Lwwregister)
	case *v01.CrdtDelta_Flag:
		return flagOf(p.Flag.GetValue()), nil
	case *v01.CrdtDelta_Vote:
		return voteOf(p.Vote.GetSelfVote()), nil
	case *v01.CrdtDelta_Ormap:
		return oldORMapOf(p.Ormap)
	}
	return nil, errEmptyDelta
}

func oldORMapOf(p *v01.ORMapDelta) (d *crdt.Delta, err error) {
	d = &crdt.Delta{Kind: crdt.KindORMap, Cleared: p.GetCleared(), Removed: elementsOf(p.GetRemoved())}
	if d.Updated, err = entriesOf(p.GetUpdated(), oldDeltaOf); err == nil {
		d.Inserted, err = initialEntriesOf(p.GetAdded())
	}
	return d, err
}

// initialOf reads a state as the delta that makes it.
func initialOf(p *v01.CrdtState) (*crdt.Delta, error) {
	switch p := p.GetState().(type) {
	case *v01.CrdtState_Gcounter:
		return gcounterOf(p.Gcounter.GetValue()), nil
	case *v01.CrdtState_Pncounter:
		return pncounterOf(p.Pncounter.GetValue()), nil
	case *v01.CrdtState_Gset:
		return &crdt.Delta{Kind: crdt.KindGSet, Added: elementsOf(p.Gset.GetItems())}, nil
	case *v01.CrdtState_Orset:
		return &crdt.Delta{Kind: crdt.KindORSet, Added: elementsOf(p.Orset.GetItems())}, nil
	case *v01.CrdtState_Lwwregister:
		return registerOf(p.Lwwregister)
	case *v01.CrdtState_Flag:
		return flagOf(p.Flag.GetValue()), nil
	case *v01.CrdtState_Vote:
		return voteOf(p.Vote.GetSelfVote()), nil
	case *v01.CrdtState_Ormap:
		entries, err := initialEntriesOf(p.Ormap.GetEntries())
		return &crdt.Delta{Kind: crdt.KindORMap, Inserted: entries}, err
	}
	return nil, errEmptyDelta
}

func initialEntriesOf(all []*v01.ORMapEntry) ([]crdt.Entry, error) {
	if len(all) == 0 {
		return nil, nil
	}
	entries := make([]crdt.Entry, len(all))
	for i, e := range all {
		d, err := initialOf(e.GetValue())
		if err != nil {
			return nil, err
		}
		entries[i] = crdt.Entry{Key: elementOf(e.GetKey()), Delta: d}
	}
	return entries, nil
}

// oldProtoOf is a change for the user function.
func oldProtoOf(d *crdt.Delta) (*v01.CrdtDelta, error) {
	if d.Kind == crdt.KindORMap {
		p, err := oldProtoOfORMap(d)
		return &v01.CrdtDelta{Delta: &v01.CrdtDelta_Ormap{Ormap: p}}, err
	}
	p, err := protoOf(d)
	if err != nil {
		return nil, err
	}
	switch p := p.GetDelta().(type) { // the parts are the same
	case *crdtpb.CrdtDelta_Gcounter:
		return &v01.CrdtDelta{Delta: &v01.CrdtDelta_Gcounter{Gcounter: p.Gcounter}}, nil
	case *crdtpb.CrdtDelta_Pncounter:
		return &v01.CrdtDelta{Delta: &v01.CrdtDelta_Pncounter{Pncounter: p.Pncounter}}, nil
	case *crdtpb.CrdtDelta_Gset:
		return &v01.CrdtDelta{Delta: &v01.CrdtDelta_Gset{Gset: p.Gset}}, nil
	case *crdtpb.CrdtDelta_Orset:
		return &v01.CrdtDelta{Delta: &v01.CrdtDelta_Orset{Orset: p.Orset}}, nil
	case *crdtpb.CrdtDelta_Lwwregister:
		return &v01.CrdtDelta{Delta: &v01.CrdtDelta_Lwwregister{Lwwregister: p.Lwwregister}}, nil
	case *crdtpb.CrdtDelta_Flag:
		return &v01.CrdtDelta{Delta: &v01.CrdtDelta_Flag{Flag: p.Flag}}, nil
	case *crdtpb.CrdtDelta_Vote:
		return &v01.CrdtDelta{Delta: &v01.CrdtDelta_Vote{Vote: p.Vote}}, nil
	}
	return nil, errEmptyDelta
}

func oldProtoOfORMap(d *crdt.Delta) (p *v01.ORMapDelta, err error) {
	p = &v01.ORMapDelta{Cleared: d.Cleared}
	if p.Removed, err = anysOf(d.Removed); err != nil {
		return nil, err
	}
	for _, e := range d.Updated {
		u := &v01.ORMapEntryDelta{}
		if u.Key, err = anyOf(e.Key); err != nil {
			return nil, err
		}
		if u.Delta, err = oldProtoOf(e.Delta); err != nil {
			return nil, err
		}
		p.Updated = append(p.Updated, u)
	}
	p.Added, err = stateEntriesOf(d.Inserted)
	return p, err
}

// stateOf is what an initial delta makes.
func stateOf(d *crdt.Delta) (*v01.CrdtState, error) {
	switch d.Kind {
	case crdt.KindGCounter:
		return &v01.CrdtState{State: &v01.CrdtState_Gcounter{Gcounter: &v01.GCounterState{Value: d.Increment}}}, nil
	case crdt.KindPNCounter:
		return &v01.CrdtState{State: &v01.CrdtState_Pncounter{Pncounter: &v01.PNCounterState{Value: d.Change}}}, nil
	case crdt.KindGSet:
		items, err := anysOf(d.Added)
		return &v01.CrdtState{State: &v01.CrdtState_Gset{Gset: &v01.GSetState{Items: items}}}, err
	case crdt.KindORSet:
		items, err := anysOf(d.Added)
		return &v01.CrdtState{State: &v01.CrdtState_Orset{Orset: &v01.ORSetState{Items: items}}}, err
	case crdt.KindRegister:
		value, err := anyOf(d.Value)
		return &v01.CrdtState{State: &v01.CrdtState_Lwwregister{Lwwregister: &v01.LWWRegisterState{Value: value}}}, err
	case crdt.KindFlag:
		return &v01.CrdtState{State: &v01.CrdtState_Flag{Flag: &v01.FlagState{Value: d.Enabled}}}, nil
	case crdt.KindVote:
		return &v01.CrdtState{State: &v01.CrdtState_Vote{Vote: &v01.VoteState{SelfVote: d.Self, VotesFor: uint32(d.For), TotalVoters: uint32(d.Voters)}}}, nil
	case crdt.KindORMap:
		entries, err := stateEntriesOf(d.Inserted)
		return &v01.CrdtState{State: &v01.CrdtState_Ormap{Ormap: &v01.ORMapState{Entries: entries}}}, err
	}
	_, err := protoOf(d) // says that there is no such kind
	return nil, err
}

func stateEntriesOf(entries []crdt.Entry) (all []*v01.ORMapEntry, err error) {
	for _, e := range entries {
		p := &v01.ORMapEntry{}
		if p.Key, err = anyOf(e.Key); err != nil {
			return nil, err
		}
		if p.Value, err = stateOf(e.Delta); err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}
