package sidecartest

import (
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/crdtpb"
	"github.com/mallee-io/mallee/internal/gen/tckpb/tckcrdt"
)

// register has a change to tell from the beginning: its first value.
type register struct {
	text   string
	clock  crdtpb.CrdtClock
	custom int64
	fresh  bool
}

func (r *register) update(u *tckcrdt.Update) error {
	set := u.GetLwwregister()
	if set == nil {
		return wrongType(r)
	}
	*r = register{text: set.GetValue(), clock: crdtpb.CrdtClock(set.GetClock().GetClockType()), fresh: true}
	if r.clock == crdtpb.CrdtClock_CUSTOM || r.clock == crdtpb.CrdtClock_CUSTOM_AUTO_INCREMENT {
		r.custom = set.GetClock().GetCustomClockValue()
	}
	return nil
}

func (r *register) apply(d *crdtpb.CrdtDelta) error {
	set := d.GetLwwregister()
	if set == nil {
		return wrongType(r)
	}
	if set.GetClock() != crdtpb.CrdtClock_DEFAULT || set.GetCustomClockValue() != 0 {
		return violation("a register of the sidecar with a clock: %s", short(set))
	}
	text, err := unpackText(set.GetValue())
	*r = register{text: text}
	return err
}

func (r *register) changed() bool { return r.fresh }

func (r *register) tell() *crdtpb.CrdtDelta {
	d := &crdtpb.LWWRegisterDelta{Value: packText(r.text), Clock: r.clock, CustomClockValue: r.custom}
	r.fresh = false
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Lwwregister{Lwwregister: d}}
}

func (r *register) state() *tckcrdt.State {
	return &tckcrdt.State{Value: &tckcrdt.State_Lwwregister{Lwwregister: &tckcrdt.LWWRegisterValue{Value: r.text}}}
}
