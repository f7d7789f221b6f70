package transport

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/placement"
)

// Defaults of TCPConfig.
const (
	DefaultSilence     = 15 * time.Second
	DefaultDialTimeout = 5 * time.Second
	DefaultPending     = 32 << 20
)

// TCPConfig says how a node takes part in a network over TCP.
type TCPConfig struct {
	// Cluster is the name that all nodes must have in common.
	Cluster string

	// Listen is the address, host:port. Defaults to a free port on the
	// loopback interface.
	Listen string

	// Resolve finds the address of another node; ErrUnavailable says that it is
	// not known. It must return when ctx ends, with the dial timeout or Detach.
	Resolve func(ctx context.Context, node placement.NodeID) (string, error)

	// Foreign takes the connections of Koala hosts, which dial the address of
	// each member. Nil refuses them.
	Foreign *Koala

	// TLS encrypts the connections, in both roles: it needs a certificate, and
	// for mutual authentication RootCAs, ClientCAs and ClientAuth. The host of
	// a node's address must be in its certificate, or ServerName. Defaults to
	// plain TCP, for networks that are trusted: who can connect is a node.
	TLS *tls.Config

	// Silence is how long a peer may say nothing before it is lost; it is asked
	// to say something four times in that time. Defaults to DefaultSilence.
	Silence time.Duration

	// DialTimeout bounds a dial with its handshake. Defaults to
	// DefaultDialTimeout.
	DialTimeout time.Duration

	// Pending is how many bytes may wait for a peer to read them. Requests
	// beyond it fail; at twice as much the connection ends, since answers that
	// cannot leave would keep their callers waiting. Defaults to DefaultPending.
	Pending int

	// Log gets what happens to connections. Defaults to slog.Default.
	Log *slog.Logger
}

func (c *TCPConfig) setDefaults() {
	if c.Listen == "" {
		c.Listen = "127.0.0.1:0"
	}
	if c.Silence <= 0 {
		c.Silence = DefaultSilence
	}
	if c.DialTimeout <= 0 {
		c.DialTimeout = DefaultDialTimeout
	}
	if c.Pending <= 0 {
		c.Pending = DefaultPending
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
}

// TCP is a Network over TCP, for the one node of this process.
//
// Two nodes share one connection, whoever dials it: so answers need no address
// of the caller, a lost connection is one event for both, and the order of
// messages is that of the connection. What asks and finds no connection dials
// and waits for it, for at most its Timeout and the dial timeout; whatever else
// finds none fails at once, since the peer has lost what it belongs to.
type TCP struct {
	config  TCPConfig
	addr    string
	first   atomic.Pointer[net.Listener] // until the first node is attached
	life    atomic.Pointer[life]
	figures figures
}

var _ Network = (*TCP)(nil)

// ListenTCP opens the address, so that it is known before a node joins its
// cluster. Detach closes it, and Attach opens it again; where no node is ever
// attached, Detach of any ID closes it.
func ListenTCP(config TCPConfig) (*TCP, error) {
	config.setDefaults()
	if config.Resolve == nil {
		return nil, mallee.ErrInvalid.Errorf("a network over TCP needs TCPConfig.Resolve to find other nodes")
	}
	listener, err := net.Listen("tcp", config.Listen)
	if err != nil {
		return nil, mallee.ErrUnavailable.Errorf("listen for other nodes: %v", err)
	}
	t := &TCP{config: config, addr: listener.Addr().String()}
	t.first.Store(&listener)
	return t, nil
}

// Addr is the address on which the network listens, host:port.
func (t *TCP) Addr() string { return t.addr }

// Attach starts to accept connections. A node that is attached already is
// detached. Where the address cannot be opened again, Attach goes on trying
// and says so in the log.
func (t *TCP) Attach(node placement.NodeID, h Handler) {
	var listener net.Listener
	if first := t.first.Swap(nil); first != nil {
		listener = *first
	}
	l := newLife(t.config, &t.figures, node, h)
	if earlier := t.life.Swap(l); earlier != nil {
		earlier.detach()
	}
	l.start(listener, t.addr)
}

// Close tells the connected nodes to send no more requests and waits until
// they have agreed; who does not within the time of silence is disconnected.
func (t *TCP) Close(node placement.NodeID) {
	if l := t.lifeOf(node); l != nil {
		l.close()
	}
}

// Detach ends all connections and returns when nothing of them is left. After
// Close it first sends what is waiting, for up to the dial timeout; otherwise
// it is an end as of a crash.
func (t *TCP) Detach(node placement.NodeID) {
	if first := t.first.Swap(nil); first != nil {
		_ = (*first).Close()
	}
	if l := t.lifeOf(node); l != nil {
		l.detach()
		t.life.CompareAndSwap(l, nil)
	}
}

func (t *TCP) lifeOf(node placement.NodeID) *life {
	if l := t.life.Load(); l != nil && l.node == node {
		return l
	}
	return nil
}

// Send appends the message to what waits for the node.
func (t *TCP) Send(from, to placement.NodeID, m *Message) error {
	l := t.lifeOf(from)
	if l == nil {
		return unavailable("node %s is not attached to the network", from)
	}
	if err := m.validate(); err != nil {
		return mallee.AsError(err).BeforeRun()
	}
	c, err := l.connection(to, m)
	if err != nil {
		return err
	}
	return c.send(m)
}

// unavailable is the error of a message that has certainly not arrived.
func unavailable(format string, args ...any) *mallee.Error {
	return mallee.ErrUnavailable.Errorf(format, args...).BeforeRun()
}
