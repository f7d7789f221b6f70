package transport

import (
	"context"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/wire/koala"
)

// Defaults of KoalaConfig.
const (
	DefaultKoalaBeat    = 5 * time.Second
	DefaultKoalaSilence = 45 * time.Second
	DefaultKoalaTimeout = 5 * time.Second
	DefaultKoalaConns   = 256
	DefaultKoalaCalls   = 4096
	DefaultKoalaDialIn  = 7 * time.Second
	DefaultKoalaIdle    = 30 * time.Minute
)

// KoalaConfig says how a node talks with Koala hosts.
type KoalaConfig struct {
	// Members lists the cluster, such as placement.Driver's method: who is
	// foreign, and at which IPv4 address and port. Needed.
	Members func(ctx context.Context) ([]placement.Member, error)

	// Dial opens a connection. Defaults to plain TCP, as hosts know no other.
	Dial func(ctx context.Context, addr string) (net.Conn, error)

	// Beat is the time between two heartbeats on a connection that this node
	// has dialled. Hosts close one after 45 s without. Defaults to
	// DefaultKoalaBeat.
	Beat time.Duration

	// Silence is how long a host may say nothing before its connection ends; it
	// is counted in beats. Defaults to DefaultKoalaSilence.
	Silence time.Duration

	// DialTimeout bounds a dial. Defaults to DefaultDialTimeout.
	DialTimeout time.Duration

	// CallTimeout is the time of a call that comes from a host, which says none.
	// Defaults to DefaultKoalaTimeout, after which a host waits no longer.
	CallTimeout time.Duration

	// Conns is how many connections hosts may have to this node. Defaults to
	// DefaultKoalaConns.
	Conns int

	// Calls is how many calls may wait on one connection, in each direction;
	// more are refused. Defaults to DefaultKoalaCalls.
	Calls int

	// DialIn is how long the first session of a host waits for the host to dial
	// this node, as it sends to clients on that connection alone. Defaults to
	// DefaultKoalaDialIn, by when a host that keeps alive every 5 s has done it.
	DialIn time.Duration
	// Idle is after how long a session of one of Koala's own gateways has ended
	// whose client says nothing: such gateways do not tell. Should the client
	// speak then, the session goes on. Defaults to DefaultKoalaIdle.
	Idle time.Duration
	// Pending is as in TCPConfig. Defaults to DefaultPending.
	Pending int

	// Log gets what happens to connections. Defaults to slog.Default.
	Log *slog.Logger
}

func (c *KoalaConfig) setDefaults() {
	if c.Dial == nil {
		c.Dial = func(ctx context.Context, addr string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", addr)
		}
	}
	orDefault(&c.Beat, DefaultKoalaBeat)
	orDefault(&c.Silence, DefaultKoalaSilence)
	orDefault(&c.DialTimeout, DefaultDialTimeout)
	orDefault(&c.CallTimeout, DefaultKoalaTimeout)
	orDefault(&c.Conns, DefaultKoalaConns)
	orDefault(&c.Calls, DefaultKoalaCalls)
	orDefault(&c.DialIn, DefaultKoalaDialIn)
	orDefault(&c.Idle, DefaultKoalaIdle)
	orDefault(&c.Pending, DefaultPending)
	if c.Log == nil {
		c.Log = slog.Default()
	}
}

func orDefault[T int | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

// Services is a Handler that says what a host means by the names in a call.
type Services interface {
	// Find answers the actor type that serves an interface, and the name in Go
	// of the method, or why the call is refused.
	Find(service, method string) (actorType, name string, refused *koala.Error)
}

// Koala is a Network to unmodified Koala hosts, for the one node of this
// process: their frames carry JSON, and bodies are pickles of plain data.
//
// A host and a node have a connection in each direction. Who sends a request
// dials; the answer comes back on the same connection. Nothing says who has
// dialled, so each connection of a host gets an ID of its own, as the from of
// its requests and the to of their answers.
type Koala struct {
	config  KoalaConfig
	members members
	ids     koalaIDs
	life    atomic.Pointer[koalaLife]
}

var _ Network = (*Koala)(nil)

// NewKoala makes a network that takes the connections which a TCP network, by
// TCPConfig.Foreign, gives to it.
func NewKoala(config KoalaConfig) (*Koala, error) {
	config.setDefaults()
	if config.Members == nil {
		return nil, mallee.ErrInvalid.Errorf("a network to Koala hosts needs KoalaConfig.Members to find them")
	}
	k := &Koala{config: config}
	k.members.init(config.Members)
	k.ids.init(time.Now())
	return k, nil
}

// Attach begins to take connections. A node that is attached already is
// detached.
func (k *Koala) Attach(node placement.NodeID, h Handler) {
	l := newKoalaLife(k, node, h)
	if earlier := k.life.Swap(l); earlier != nil {
		earlier.detach()
	}
	l.running.Go(l.watch)
}

// Close answers requests, from when it returns, by saying that the node is
// stopping: a host cannot be told to send none.
func (k *Koala) Close(node placement.NodeID) {
	if l := k.lifeOf(node); l != nil {
		l.close()
	}
}

// Detach is as in TCP.
func (k *Koala) Detach(node placement.NodeID) {
	if l := k.lifeOf(node); l != nil {
		l.detach()
		k.life.CompareAndSwap(l, nil)
	}
}

func (k *Koala) lifeOf(node placement.NodeID) *koalaLife {
	if l := k.life.Load(); l != nil && l.node == node {
		return l
	}
	return nil
}

// Send sends a Request to a member, or a Reply to the connection on which its
// Request came. Hosts know nothing else: after a Cancel the answer is dropped
// when it comes, a Handoff is refused, and Gossip is lost.
func (k *Koala) Send(from, to placement.NodeID, m *Message) error {
	l := k.lifeOf(from)
	if l == nil {
		return unavailable("node %s is not attached to the network", from)
	}
	switch m.Kind {
	case Activate: // a host takes calls in their order, and activates by itself
		l.handler.Receive(to, &Message{Kind: Reply, Call: m.Call})
		return nil
	case Gossip:
		return nil
	case Edge:
		return l.order(to, m)
	case Order:
		return l.orderOnce(to, m)
	case Request, Handoff:
		if m.Kind == Request && k.members.gateway(to) { // it would end the connection
			return mallee.ErrInvalid.Errorf("%s: node %s is a gateway of Koala, which takes no calls", m.Actor, to).BeforeRun()
		}
		if m.Kind == Request && k.represents(m.Interface) {
			return l.represent(to, m)
		}
		if m.Kind != Request || m.Encoding != Pickle {
			return mallee.ErrInvalid.Errorf("%s: the foreign host %s takes calls alone, and they must be pickles", m.Actor, to).BeforeRun()
		}
		c, err := l.connection(to, m.Timeout)
		if err != nil {
			return err
		}
		return c.request(m)
	}
	c := l.existing(to)
	if c == nil {
		return unavailable("the connection to host %s has ended", to)
	}
	if m.Kind == Cancel {
		c.forget(m.Call)
		l.logins.forget(m.Call)
		return nil
	}
	return c.answer(m)
}

// Speaks is the encoding of a node's calls. Those of gateways go to no actor of
// a host as they are.
func (k *Koala) Speaks(ctx context.Context, node placement.NodeID, iface string) (Encoding, error) {
	foreign, err := k.members.foreign(ctx, node)
	if foreign && !k.represents(iface) {
		return Pickle, err
	}
	return MessagePack, err
}

// owns reports whether messages for a node go over this network.
func (k *Koala) owns(node placement.NodeID) bool {
	return isInbound(node) || k.members.known(node)
}
