package sessions

import (
	"context"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/activation"
)

// Types adds to actor types that gateways can call their actors. The types that
// were given stay as they are.
func Types(types []mallee.Type) []mallee.Type {
	all := make([]mallee.Type, len(types))
	for i, t := range types {
		t.Interfaces = append(t.Interfaces[:len(t.Interfaces):len(t.Interfaces)], hosted())
		all[i] = t
	}
	return all
}

// hosted is MalleeSessions with calls that run on activations.
func hosted() mallee.Interface {
	i := MalleeSessionsInterface()
	for n := range i.Methods {
		decode := i.Methods[n].New
		i.Methods[n].New = func() mallee.Call { return call{decode()} }
	}
	return i
}

// Through is the caller for MalleeSessionsAt: actors do not implement
// MalleeSessions themselves, so its calls need a target on their own node too.
func Through(caller mallee.Caller) mallee.Caller { return through{caller} }

type through struct{ mallee.Caller }

func (t through) Invoke(ctx context.Context, id mallee.ID, c mallee.Call) error {
	return t.Caller.Invoke(ctx, id, call{c})
}

// call is a call of MalleeSessions.
type call struct{ mallee.Call }

// Run makes the activation the target of the call.
func (c call) Run(ctx context.Context, _ any) error {
	return c.Call.Run(ctx, host{activation.From(ctx).Activation()})
}

// host is an activation as gateways see it.
type host struct{ *activation.Activation }

var _ MalleeSessions = host{}

func (h host) Connect(ctx context.Context, s mallee.Session, a mallee.Arrival, alone bool) (Host, error) {
	node, err := h.Activation.Connect(ctx, s, a, alone)
	return Host{Node: node, Epoch: h.Epoch()}, err
}

func (h host) Message(ctx context.Context, session uint64, m mallee.Message) error {
	attached, err := h.Activation.Message(ctx, session, m)
	if !attached {
		return ErrDetached.Errorf("session %d is not attached to the activation of %s", session, h.ID()).BeforeRun()
	}
	return err
}

func (h host) Moved(_ context.Context, moved []Relocation) error {
	ended := make(map[uint64]bool)
	for _, m := range moved {
		h.Relocate(m.From, m.From, m.To)
		if m.To == 0 {
			ended[m.From] = true
		}
	}
	h.Doubt(ended)
	return nil
}
