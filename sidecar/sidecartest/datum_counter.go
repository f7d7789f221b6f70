package sidecartest

import (
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/crdtpb"
	"github.com/mallee-io/mallee/internal/gen/tckpb/tckcrdt"
)

type gcounter struct{ value, untold uint64 }

func (c *gcounter) update(u *tckcrdt.Update) error {
	if u.GetGcounter() == nil {
		return wrongType(c)
	}
	c.value += u.GetGcounter().GetIncrement()
	c.untold += u.GetGcounter().GetIncrement()
	return nil
}

func (c *gcounter) apply(d *crdtpb.CrdtDelta) error {
	if d.GetGcounter() == nil {
		return wrongType(c)
	}
	c.value += d.GetGcounter().GetIncrement()
	return nil
}

func (c *gcounter) changed() bool { return c.untold > 0 }

func (c *gcounter) tell() *crdtpb.CrdtDelta {
	d := &crdtpb.GCounterDelta{Increment: c.untold}
	c.untold = 0
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Gcounter{Gcounter: d}}
}

func (c *gcounter) state() *tckcrdt.State {
	return &tckcrdt.State{Value: &tckcrdt.State_Gcounter{Gcounter: &tckcrdt.GCounterValue{Value: c.value}}}
}

type pncounter struct{ value, untold int64 }

func (c *pncounter) update(u *tckcrdt.Update) error {
	if u.GetPncounter() == nil {
		return wrongType(c)
	}
	c.value += u.GetPncounter().GetChange()
	c.untold += u.GetPncounter().GetChange()
	return nil
}

func (c *pncounter) apply(d *crdtpb.CrdtDelta) error {
	if d.GetPncounter() == nil {
		return wrongType(c)
	}
	c.value += d.GetPncounter().GetChange()
	return nil
}

func (c *pncounter) changed() bool { return c.untold != 0 }

func (c *pncounter) tell() *crdtpb.CrdtDelta {
	d := &crdtpb.PNCounterDelta{Change: c.untold}
	c.untold = 0
	return &crdtpb.CrdtDelta{Delta: &crdtpb.CrdtDelta_Pncounter{Pncounter: d}}
}

func (c *pncounter) state() *tckcrdt.State {
	return &tckcrdt.State{Value: &tckcrdt.State_Pncounter{Pncounter: &tckcrdt.PNCounterValue{Value: c.value}}}
}
