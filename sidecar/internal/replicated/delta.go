package replicated

import (
	"errors"
	"fmt"

	"github.com/mallee-io/mallee/crdt"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/crdtpb"
)

// Changes as the protocol has them. The kinds without a map are the same in both
// dialects.

var errEmptyDelta = errors.New("the user function has sent a delta with nothing in it")

// deltaOf reads a change that the user function has sent.
func deltaOf(p *crdtpb.CrdtDelta) (*crdt.Delta, error) {
	switch p := p.GetDelta().(type) {
	case *crdtpb.CrdtDelta_Gcounter:
		return gcounterOf(p.Gcounter.GetIncrement()), nil
	case *crdtpb.CrdtDelta_Pncounter:
		return pncounterOf(p.Pncounter.GetChange()), nil
	case *crdtpb.CrdtDelta_Gset:
		return &crdt.Delta{Kind: crdt.KindGSet, Added: elementsOf(p.Gset.GetAdded())}, nil
	case *crdtpb.CrdtDelta_Orset:
		return orsetOf(p.Orset), nil
	case *crdtpb.CrdtDelta_Lwwregister:
		return registerOf(p.Lwwregister)
	case *crdtpb.CrdtDelta_Flag:
		return flagOf(p.Flag.GetValue()), nil
	case *crdtpb.CrdtDelta_Vote:
		return voteOf(p.Vote.GetSelfVote()), nil
	case *crdtpb.CrdtDelta_Ormap:
		return ormapOf(p.Ormap)
	}
	return nil, errEmptyDelta
}

func gcounterOf(increment uint64) *crdt.Delta {
	return &crdt.Delta{Kind: crdt.KindGCounter, Increment: increment}
}

func pncounterOf(change int64) *crdt.Delta {
	return &crdt.Delta{Kind: crdt.KindPNCounter, Change: change}
}

func orsetOf(p *crdtpb.ORSetDelta) *crdt.Delta {
	return &crdt.Delta{Kind: crdt.KindORSet, Cleared: p.GetCleared(), Removed: elementsOf(p.GetRemoved()), Added: elementsOf(p.GetAdded())}
}

// registerOf reads a write; a state of dialect 0.1 has the same fields.
func registerOf(p interface {
	valued
	GetClock() crdtpb.CrdtClock
	GetCustomClockValue() int64
}) (*crdt.Delta, error) {
	if _, known := crdtpb.CrdtClock_name[int32(p.GetClock())]; !known {
		return nil, fmt.Errorf("the user function has sent the unknown clock %d", p.GetClock())
	}
	return &crdt.Delta{
		Kind: crdt.KindRegister, Value: elementOf(p.GetValue()),
		Clock: crdt.RegisterClock(p.GetClock()), Custom: p.GetCustomClockValue(),
	}, nil
}

func flagOf(value bool) *crdt.Delta { return &crdt.Delta{Kind: crdt.KindFlag, Enabled: value} }
func voteOf(self bool) *crdt.Delta  { return &crdt.Delta{Kind: crdt.KindVote, Self: self} }

func ormapOf(p *crdtpb.ORMapDelta) (d *crdt.Delta, err error) {
	d = &crdt.Delta{Kind: crdt.KindORMap, Cleared: p.GetCleared(), Removed: elementsOf(p.GetRemoved())}
	if d.Updated, err = entriesOf(p.GetUpdated(), deltaOf); err == nil {
		d.Inserted, err = entriesOf(p.GetAdded(), deltaOf)
	}
	return d, err
}

// entriesOf reads entries of a map; of reads what is under their keys.
func entriesOf[D any, E entry[D]](all []E, of func(D) (*crdt.Delta, error)) ([]crdt.Entry, error) {
	if len(all) == 0 {
		return nil, nil
	}
	entries := make([]crdt.Entry, len(all))
	for i, e := range all {
		d, err := of(e.GetDelta())
		if err != nil {
			return nil, err
		}
		entries[i] = crdt.Entry{Key: elementOf(e.GetKey()), Delta: d}
	}
	return entries, nil
}

// protoOf is a change for the user function.
func protoOf(d *crdt.Delta) (*crdtpb.CrdtDelta, error) {
	switch d.Kind {
	case crdt.KindGCounter:
		return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Gcounter{Gcounter: &crdtpb.GCounterDelta{Increment: d.Increment}}}, nil
	case crdt.KindPNCounter:
		return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Pncounter{Pncounter: &crdtpb.PNCounterDelta{Change: d.Change}}}, nil
	case crdt.KindGSet:
		added, err := anysOf(d.Added)
		return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Gset{Gset: &crdtpb.GSetDelta{Added: added}}}, err
	case crdt.KindORSet:
		p, err := protoOfORSet(d)
		return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Orset{Orset: p}}, err
	case crdt.KindRegister:
		value, err := anyOf(d.Value) // without the clock, which is ours
		return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Lwwregister{Lwwregister: &crdtpb.LWWRegisterDelta{Value: value}}}, err
	case crdt.KindFlag:
		return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Flag{Flag: &crdtpb.FlagDelta{Value: d.Enabled}}}, nil
	case crdt.KindVote:
		return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Vote{Vote: protoOfVote(d)}}, nil
	case crdt.KindORMap:
		p, err := protoOfORMap(d)
		return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Ormap{Ormap: p}}, err
	}
	return nil, fmt.Errorf("the protocol has no values of the kind %d", d.Kind)
}

func protoOfORSet(d *crdt.Delta) (p *crdtpb.ORSetDelta, err error) {
	p = &crdtpb.ORSetDelta{Cleared: d.Cleared}
	if p.Removed, err = anysOf(d.Removed); err == nil {
		p.Added, err = anysOf(d.Added)
	}
	return p, err
}

func protoOfVote(d *crdt.Delta) *crdtpb.VoteDelta {
	return &crdtpb.VoteDelta{SelfVote: d.Self, VotesFor: int32(d.For), TotalVoters: int32(d.Voters)}
}

func protoOfORMap(d *crdt.Delta) (p *crdtpb.ORMapDelta, err error) {
	p = &crdtpb.ORMapDelta{Cleared: d.Cleared}
	if p.Removed, err = anysOf(d.Removed); err != nil {
		return nil, err
	}
	if p.Updated, err = protoOfEntries(d.Updated); err == nil {
		p.Added, err = protoOfEntries(d.Inserted)
	}
	return p, err
}

func protoOfEntries(entries []crdt.Entry) (all []*crdtpb.ORMapEntryDelta, err error) {
	for _, e := range entries {
		p := &crdtpb.ORMapEntryDelta{}
		if p.Key, err = anyOf(e.Key); err != nil {
			return nil, err
		}
		if p.Delta, err = protoOf(e.Delta); err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}
