package node

import (
	"cmp"
	"context"
	"net"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/transport"
	"github.com/mallee-io/mallee/placement"
)

// openNetwork listens for the other nodes, where there may be any and the
// Config brings no network.
func (n *Node) openNetwork() error {
	if n.config.Network != nil || alone(n.config.Placement) {
		return nil
	}
	hosts, err := n.openHosts()
	if err != nil {
		return err
	}
	tcp, err := transport.ListenTCP(transport.TCPConfig{
		Cluster: n.config.Cluster,
		Listen:  n.config.Listen,
		Resolve: n.resolve,
		Foreign: hosts,
		TLS:     n.config.TLS,
		Log:     n.config.Log,
	})
	if err != nil {
		return err
	}
	n.config.Network = tcp
	if hosts != nil {
		n.config.Network = transport.Router{Nodes: tcp, Hosts: hosts}
	}
	n.addr, err = advertised(n.config.Advertise, tcp.Addr())
	if err == nil && hosts != nil {
		err = checkForHosts(n.addr)
	}
	if err != nil {
		n.closeNetwork()
	}
	return err
}

// closeNetwork ends a network that no node has been attached to.
func (n *Node) closeNetwork() {
	if n.config.Network != nil {
		n.config.Network.Detach(0)
	}
}

// advertised is the address at which the others reach a node.
func advertised(advertise, listen string) (string, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", mallee.ErrInvalid.Errorf("listen address %q: %v", listen, err)
	}
	if advertise == "" {
		if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
			return "", mallee.ErrInvalid.Errorf("the node listens on %s, which is no address for others to dial: set Advertise to a host that they reach it at", listen)
		}
		return listen, nil
	}
	host, given, err := net.SplitHostPort(advertise)
	if err != nil { // a host alone
		return net.JoinHostPort(advertise, port), nil
	}
	return net.JoinHostPort(host, cmp.Or(given, port)), nil
}

// resolve finds the address of another node.
func (n *Node) resolve(ctx context.Context, id placement.NodeID) (string, error) {
	if d, ok := n.config.Placement.(placement.Resolver); ok {
		return d.Resolve(ctx, id)
	}
	members, err := n.config.Placement.Members(ctx)
	if err != nil {
		return "", err
	}
	for _, m := range members {
		if m.ID == id && m.Addr != "" {
			return m.Addr, nil
		}
	}
	return "", mallee.ErrUnavailable.Errorf("node %s is not a member any more", id).BeforeRun()
}
