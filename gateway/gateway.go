// Package gateway is where clients connect: games, browsers and phones keep one
// connection to any gateway of a cluster, and talk to their actor wherever it
// lives or moves to.
//
//	g, err := gateway.New(gateway.Config{Node: n, Login: login.Func(authenticate)})
//	http.Handle("/play", g) // a WebSocket endpoint
//	go g.ServeTCP(listener)
//	defer g.Stop(ctx)
//
// Actors that clients talk to implement mallee.Client. docs/gateway.md is the
// protocol, and what clients see when something fails.
package gateway

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/gateway/internal/carrier"
	"github.com/mallee-io/mallee/gateway/internal/handover"
	"github.com/mallee-io/mallee/gateway/internal/limit"
	"github.com/mallee-io/mallee/gateway/internal/stream"
	"github.com/mallee-io/mallee/gateway/internal/token"
	"github.com/mallee-io/mallee/internal/sessions"
	"github.com/mallee-io/mallee/placement"
)

// Gateway is a running gateway. It is an http.Handler, and safe for concurrent
// use.
type Gateway struct {
	config Config
	log    *slog.Logger
	caller mallee.Caller
	seal   *token.Seal
	bounds stream.Bounds
	queue  stream.Queue
	start  time.Time // its clock counts from here
	detach func()    // from the node

	acceptor   *carrier.Acceptor
	arriving   arrivals
	sessions   registry
	alive      sync.WaitGroup // sessions that owe their actors something, or may come to
	announcing announcements
	verdicts   verdicts
	moves      moves
	searches   searches
	posts      posts
	telling    chan struct{} // one for each call that tells where sessions are
	memory     limit.Memory
	full       chan struct{} // gets something when sessions have to be ended
	conns      limit.Connections
	batches    sync.Pool // of *batch
	lists      sync.Pool // of *sessionList
	counts     counts
	swept      chan struct{} // closed when the sweep has ended

	draining atomic.Bool
	stopping sync.Once
	ended    context.Context // of the calls to actors
	end      context.CancelFunc
}

// maxTelling is how many actors are told at once where sessions are.
const maxTelling = 64

// New starts a gateway. It has no listeners yet: it is an http.Handler, and
// ServeTCP and ServeQUIC serve other carriers.
func New(config Config) (*Gateway, error) {
	config.setDefaults()
	if err := config.validate(); err != nil {
		return nil, fmt.Errorf("new gateway: %w", err)
	}
	if len(config.Secrets) == 0 {
		secret := make([]byte, 32)
		if _, err := rand.Read(secret); err != nil {
			return nil, fmt.Errorf("new gateway: make a secret: %w", err)
		}
		config.Secrets = [][]byte{secret}
	}
	seal, err := token.NewSeal(config.Secrets...)
	if err != nil {
		return nil, mallee.ErrInvalid.Errorf("new gateway: Config.Secrets: %v", err)
	}
	g := &Gateway{
		config: config,
		log:    config.Log,
		caller: sessions.Through(config.Node),
		seal:   seal,
		bounds: stream.Bounds{Messages: config.SendMessages, Bytes: config.SendBytes, Window: config.Window, Slow: config.Slow},
		queue:  stream.Queue{Messages: config.QueueMessages, Bytes: config.QueueBytes},
		start:  time.Now(),
		acceptor: carrier.New(carrier.Config{
			MaxMessage:       config.MaxMessage,
			HandshakeTimeout: config.Handshake,
			WriteTimeout:     config.WriteTimeout,
			Origins:          config.Origins,
		}),
		announcing: announcements{slots: make(chan struct{}, maxAnnouncements)},
		telling:    make(chan struct{}, maxTelling),
		memory:     limit.Memory{Budget: config.MaxMemory},
		full:       make(chan struct{}, 1),
		conns:      limit.Connections{Most: config.MaxConnections, PerAddress: config.MaxPerAddress},
		batches:    sync.Pool{New: func() any { return &batch{frames: make([]*carrier.Outgoing, 0, batchLen)} }},
		lists:      sync.Pool{New: func() any { return new(sessionList) }},
		swept:      make(chan struct{}),
	}
	g.moves.table = handover.NewTable(&handover.Bounds{Messages: config.SendMessages, Bytes: config.SendBytes})
	g.posts.to = make(map[placement.NodeID][]post)
	g.sessions.at = make(map[uint64]*session)
	g.sessions.of = make(map[uint64]*session)
	g.searches.of = make(map[uint64]*search)
	g.arriving.conns = make(map[carrier.Conn]struct{})
	g.ended, g.end = context.WithCancel(context.Background())
	if g.detach, err = config.Node.AttachGateway(g); err != nil {
		g.end()
		return nil, fmt.Errorf("new gateway: %w", err)
	}
	go g.sweep()
	return g, nil
}

// now is the gateway's clock, which only goes forward. It is never 0.
func (g *Gateway) now() time.Duration { return time.Since(g.start) + 1 }

// newEpoch is the name of an epoch.
func newEpoch() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.LittleEndian.Uint64(b[:])
}

// arrivals are the connections that are served.
type arrivals struct {
	mu     sync.Mutex
	conns  map[carrier.Conn]struct{} // which are no session's yet
	closed bool
	served sync.WaitGroup
}

// add reports false after close.
func (a *arrivals) add(conn carrier.Conn) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return false
	}
	a.served.Add(1)
	a.conns[conn] = struct{}{}
	return true
}

func (a *arrivals) remove(conn carrier.Conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.conns, conn)
}

func (a *arrivals) done() { a.served.Done() }

// over reports whether nobody is let in any more.
func (a *arrivals) over() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.closed
}

// close lets nobody in any more, and returns those who have not become sessions.
func (a *arrivals) close() (left []carrier.Conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	for conn := range a.conns {
		left = append(left, conn)
	}
	return left
}
