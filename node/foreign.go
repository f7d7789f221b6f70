package node

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/activation"
	"github.com/mallee-io/mallee/internal/plain"
	"github.com/mallee-io/mallee/internal/transport"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/wire/koala"
)

// What differs for calls from and to foreign hosts: names are spelled as in
// Python, bodies are plain data, and a host cannot be told that an actor has
// moved.

var _ transport.Services = (*Node)(nil)

// openHosts is the network to foreign hosts; nil where there are none.
func (n *Node) openHosts() (*transport.Koala, error) {
	switch {
	case !n.config.Koala:
		return nil, nil
	case n.config.TLS != nil:
		return nil, mallee.ErrInvalid.Errorf("Koala hosts know no TLS: a node cannot have both Config.Koala and Config.TLS")
	}
	return transport.NewKoala(transport.KoalaConfig{Members: n.config.Placement.Members, Log: n.config.Log})
}

// checkForHosts refuses an address that Koala hosts and gateways cannot dial.
func checkForHosts(addr string) error {
	if a, err := netip.ParseAddrPort(addr); err != nil || !a.Addr().Is4() {
		return mallee.ErrInvalid.Errorf("the address %s of the node has to be an IPv4 address and a port for Koala hosts: set Listen or Advertise to one", addr)
	}
	return nil
}

// Find implements transport.Services. It looks among the types of this node
// alone: hosts ask the placement driver for the node of a service.
func (n *Node) Find(service, method string) (actorType, name string, refused *koala.Error) {
	types := slices.DeleteFunc(slices.Clone(n.config.Types), func(t mallee.Type) bool { return methodsOf(t, service) == nil })
	if i := slices.IndexFunc(types, func(t mallee.Type) bool { return t.Name == service }); i >= 0 {
		types = types[i : i+1]
	}
	if len(types) != 1 {
		return "", "", &koala.Error{Code: koala.InterfaceInvalid, Text: fmt.Sprintf("interface invalid: node %s hosts %d actor types that serve %.64q", n.config.Name, len(types), service)}
	}
	m, ok := plain.Method(methodsOf(types[0], service), method)
	if !ok {
		return "", "", &koala.Error{Code: koala.MethodNotFound, Text: fmt.Sprintf("method not found: %s has no %.64q", service, method)}
	}
	return types[0].Name, m.Name, nil
}

func methodsOf(t mallee.Type, iface string) []mallee.Method {
	for _, i := range t.Interfaces {
		if i.Name == iface {
			return i.Methods
		}
	}
	return nil
}

// post delivers a one-way call of a host, which waits for an answer even so: it
// gets None as soon as the mailbox has taken the call.
func (n *Node) post(in incoming, q *activation.Request) error {
	none, err := plain.AppendResults(nil, q.Call)
	if err != nil {
		return err
	}
	if _, err := n.runtime.Table(in.Actor.Type).Deliver(q, nil); err != nil {
		return err
	}
	n.answer(in, transport.Message{Body: none, Encoding: in.Encoding})
	return nil
}

// redirect tells a caller who owns the actor. For a host, which could not make
// use of that, the call goes on from here.
func (n *Node) redirect(in incoming, owner placement.Grant) {
	if in.Encoding == transport.Pickle {
		go n.forward(in)
		return
	}
	n.answer(in, transport.Message{Owner: owner})
}

// forward runs a call of a host on the node that owns its actor, in the place
// of the host.
func (n *Node) forward(in incoming) {
	results, err := n.routeFor(in)
	m := transport.Message{Body: results, Encoding: in.Encoding}
	if err != nil {
		m.Error = refusal(err)
	}
	n.answer(in, m)
}

func (n *Node) routeFor(in incoming) ([]byte, error) {
	q, err := n.request(in)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithDeadline(n.ended, in.end)
	defer cancel()
	if err := n.route(ctx, q); err != nil {
		return nil, err
	}
	return plain.AppendResults(nil, q.Call)
}
