package transport_test

import (
	"testing"

	"github.com/mallee-io/mallee/internal/transport"
	"github.com/mallee-io/mallee/placement"
)

// A node that also talks with Koala hosts shows what its connections carry.
func TestRouterShowsTheFiguresOfItsNodes(t *testing.T) {
	t.Parallel()
	want := transport.Figures{Made: 3, Sent: 5}
	r := transport.Router{Nodes: figured{want}}
	if got := r.Figures(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := (transport.Router{Nodes: transport.NewMemory()}).Figures(); got != (transport.Figures{}) {
		t.Errorf("a network without figures has %+v", got)
	}
}

// figured is a network with figures.
type figured struct{ figures transport.Figures }

func (figured) Attach(placement.NodeID, transport.Handler)             {}
func (figured) Close(placement.NodeID)                                 {}
func (figured) Detach(placement.NodeID)                                {}
func (figured) Send(_, _ placement.NodeID, _ *transport.Message) error { return nil }
func (f figured) Figures() transport.Figures                           { return f.figures }
