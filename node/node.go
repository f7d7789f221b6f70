// Package node runs actors: a node is a process that hosts activations and
// routes calls to those of other nodes.
//
//	n, err := node.Start(ctx, node.Config{Types: []mallee.Type{game.PlayerType(game.NewPlayer)}})
//	defer n.Stop(ctx)
//	total, err := game.PlayerOf(n, "1001").Give(ctx, "sword", 1)
//
// With Config.PD or Config.Placement it is a member of a cluster: it holds a
// lease, activates actors only by grants of the placement driver, and ends all
// of them when it loses the lease. Stop moves its actors to other nodes.
// docs/placement.md says what callers see when something fails.
package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/activation"
	"github.com/mallee-io/mallee/internal/reminders"
	"github.com/mallee-io/mallee/internal/replicas"
	"github.com/mallee-io/mallee/internal/sessions"
	"github.com/mallee-io/mallee/internal/transport"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/storage"
)

// DefaultCallTimeout is how long a call may take whose context has no deadline.
const DefaultCallTimeout = 5 * time.Second

// Config says what a node is. The zero Config is a cluster of one node in this
// process that hosts nothing.
type Config struct {
	// Types are the actor types that the node hosts. A node without types is a
	// client of the others.
	Types []mallee.Type

	// Only names those of Types that this process hosts, so that types which
	// are developed together can be deployed apart. Defaults to all of them.
	Only []string

	// Name is what people call the node, in errors and logs. Defaults to "local".
	Name string

	// Store keeps the states of actors. Stop does not close it. Defaults to a
	// storage.Memory of the node's own where the node is alone; nodes of a
	// cluster that host actors have to share a store.
	Store storage.Store

	// CallTimeout ends calls whose context has no deadline. 0 means
	// DefaultCallTimeout; a caller can wait longer by a deadline of its own.
	CallTimeout time.Duration

	// Log is where the node and its actors write. Defaults to slog.Default.
	Log *slog.Logger

	// PD are the addresses of the placement drivers of a cluster, host:port.
	PD []string

	// Placement joins the node to a cluster. Defaults to the placement drivers
	// PD and, without any, to placement.Solo. Where it is nil, fields that are
	// zero are taken from the configuration of the process first, see Load.
	Placement placement.Driver

	// Labels are matched with those that actor types ask for (mallee.Labeled).
	Labels map[string]string

	// Cluster is the name that all nodes of a cluster have in common: nodes of
	// another one are not talked to. Defaults to "mallee".
	Cluster string

	// Listen is where the node accepts connections of the other nodes,
	// host:port. A node that is alone does not listen. Defaults to a free port
	// on the loopback interface.
	Listen string

	// Advertise is where the others reach the node, a host or host:port.
	// Defaults to the address on which it listens; one that listens on all
	// interfaces has to be told.
	Advertise string

	// TLS encrypts the connections between nodes, in both roles: it needs a
	// certificate and, for mutual authentication, RootCAs, ClientCAs and
	// ClientAuth. Defaults to plain TCP, for networks that are trusted.
	TLS *tls.Config

	// Koala lets the node and unmodified Koala hosts of the cluster call each
	// other's actors with plain data. Such hosts know neither TLS nor a
	// password: it is for networks that are trusted.
	Koala bool

	// Admin is where the node serves its health and figures, host:port; see
	// AdminHandler. Who can reach it sees much, so it is best on the loopback
	// interface. Port 0 takes a free one. Defaults to nowhere.
	Admin string

	// Tracing gets spans of calls and turns, see docs/operations.md. It decides
	// which of them are kept. Defaults to none, which costs nothing.
	Tracing trace.TracerProvider

	// TraceKeys puts the keys of actors into spans. They may be names of people.
	TraceKeys bool

	// Replicas says how replicated values are kept.
	Replicas ReplicaConfig

	// Network reaches the other nodes; malleetest sets it. Defaults to TCP.
	Network transport.Network
}

// Node is a running node. It is a mallee.Caller, and safe for concurrent use.
type Node struct {
	config   Config
	hosted   []mallee.Type // config.Types and those of the system
	addr     string        // where the others reach it; empty: by no address
	admin    string        // where its health and figures are; empty: nowhere
	runtime  *activation.Runtime
	lease    atomic.Pointer[lease]
	remote   remote
	served   served
	types    aliases
	where    locations
	tracing  *tracing // nil: none
	strays   strays
	posted   posted
	carried  carried
	edge     edge
	replicas *replicas.Service
	counts   counts
	renewNow chan struct{} // a hint that the status has changed

	stopping atomic.Bool   // it has no calls of its own any more, and its actors move away
	closing  atomic.Bool   // what is still here is ended
	cordoned atomic.Bool   // it gets no new actors
	draining atomic.Bool   // its actors move away; the process stays
	moves    chan struct{} // one for each actor that is moving away
	asked    atomic.Int64  // moves that the placement driver wants

	membership sync.Mutex      // held while one begins, and while the node ends
	ended      context.Context // of what the node does in the background
	end        context.CancelFunc
}

// Start starts a node. ctx bounds the start alone: Stop ends the node.
func Start(ctx context.Context, config Config) (*Node, error) {
	if config.Placement == nil {
		if err := config.load(); err != nil {
			return nil, fmt.Errorf("start node: %w", err)
		}
	}
	if config.Name == "" {
		config.Name = "local"
	}
	if config.Cluster == "" {
		config.Cluster = "mallee"
	}
	if config.CallTimeout == 0 {
		config.CallTimeout = DefaultCallTimeout
	}
	if config.Log == nil {
		config.Log = slog.Default()
	}
	if config.Tracing != nil {
		config.Log = slog.New(traceHandler{config.Log.Handler()})
	}
	if err := config.validate(); err != nil {
		return nil, fmt.Errorf("start node %s: %w", config.Name, err)
	}
	keeps := len(config.Types) > 0 || config.Store != nil || config.Placement == nil && len(config.PD) == 0
	if err := config.place(); err != nil {
		return nil, fmt.Errorf("start node %s: %w", config.Name, err)
	}
	n := &Node{config: config, renewNow: make(chan struct{}, 1), moves: make(chan struct{}, maxMoves)}
	n.replicas = newReplicas(n, keeps)
	n.hosted = n.replicas.Types(sessions.Types(reminders.Types(config.Types)))
	n.remote.init(config.CallTimeout)
	n.served.init()
	n.where.init()
	n.strays.init()
	n.posted.init()
	n.carried.init()
	n.types.init(n.hosted)
	n.edge.orders.init()
	n.tracing = newTracing(&config)
	n.ended, n.end = context.WithCancel(context.Background())
	n.runtime = activation.New(activation.Config{
		Node:        config.Name,
		CallTimeout: config.CallTimeout,
		Caller:      n,
		Store:       config.Store,
		Reminders:   reminders.Service{Caller: n},
		Sessions:    sessions.Service{Of: giver{n}, Places: &n.edge.places},
		Replicas:    n.Replica,
		Log:         config.Log,
		Release:     n.release,
		Trace:       n.tracing.hook(),
		Owns:        n.owns,
		Carried:     n.carried.take,
		Redeliver:   n.redeliver,
	}, append(slices.Clone(n.hosted), canary()))
	if err := n.begin(ctx); err != nil {
		n.end()
		n.replicas.Abort()
		_ = n.runtime.Stop(n.ended) // has timers, and at most the activation of a health check
		return nil, fmt.Errorf("start node %s: %w", config.Name, err)
	}
	if len(config.Types) > 0 {
		go reminders.Wake(n.ended, n, config.Store, config.Log)
	}
	return n, nil
}

// begin makes the node a member of its cluster.
func (n *Node) begin(ctx context.Context) error {
	if err := n.openAdmin(); err != nil {
		return err
	}
	if err := n.openNetwork(); err != nil {
		return err
	}
	if err := n.join(ctx); err != nil {
		n.closeNetwork()
		return err
	}
	return nil
}

// validate also leaves only the types that the node is to host.
func (c *Config) validate() error {
	if c.CallTimeout < 0 {
		return mallee.ErrInvalid.Errorf("call timeout %v is negative", c.CallTimeout)
	}
	if err := checkCertificates(c.TLS, time.Now()); err != nil {
		return err
	}
	names := make(map[string]bool, len(c.Types))
	for i := range c.Types {
		if err := c.Types[i].Validate(); err != nil {
			return err
		}
		if names[c.Types[i].Name] {
			return mallee.ErrInvalid.Errorf("actor type %s is given twice", c.Types[i].Name)
		}
		names[c.Types[i].Name] = true
	}
	return c.selectTypes(names)
}

func (c *Config) selectTypes(names map[string]bool) error {
	if len(c.Only) == 0 {
		return nil
	}
	for _, name := range c.Only {
		if !names[name] {
			return mallee.ErrInvalid.Errorf("Only names the actor type %q, which is not in Types: there are %s", name, strings.Join(slices.Sorted(maps.Keys(names)), ", "))
		}
	}
	c.Types = slices.DeleteFunc(slices.Clone(c.Types), func(t mallee.Type) bool { return !slices.Contains(c.Only, t.Name) })
	return nil
}

// Name is what people call the node.
func (n *Node) Name() string { return n.config.Name }

// ID names the node's present life in the cluster; it changes when the node
// has lost its lease and has joined anew.
func (n *Node) ID() placement.NodeID {
	if l := n.lease.Load(); l != nil {
		return l.ID
	}
	return 0 // while it joins for the first time, and the placement driver may want something already
}

// Types are the actor types that the node hosts.
func (n *Node) Types() []mallee.Type { return n.config.Types }

// Stop drains the node: calls from outside are refused, its actors move to
// other nodes, and the node leaves the cluster. Where no other node can take
// them, what waits in mailboxes is served and activations are ended. When ctx
// ends first, Stop gives up on the rest and returns its error. It may be called
// again.
func (n *Node) Stop(ctx context.Context) error {
	n.stopping.Store(true)
	_ = n.renew(ctx) // tells the placement driver to send nothing new here
	n.moveOut(ctx)
	n.closing.Store(true)
	err := n.runtime.Stop(ctx)
	if err != nil {
		err = fmt.Errorf("stop node %s: %d activations are still busy: %w", n.config.Name, n.runtime.Stats().Active, err)
		n.runtime.Fence()
	}
	n.stopReplicas(ctx)
	return errors.Join(err, n.leave(ctx))
}

// Abort ends the node as a crash would: nothing is drained, released or told.
// It is for tests of what the others do then.
func (n *Node) Abort() {
	n.stopping.Store(true)
	n.finish()
	n.replicas.Abort()
	n.cutOff()
	_ = n.runtime.Stop(n.ended) // ends its timers, and waits for nothing
}

var _ mallee.Caller = (*Node)(nil)
