// Package sidecar runs next to a user function, a process in any language that
// speaks Cloudstate's protocol, and makes of its entities actors of a cluster:
// placed, durable, and reached over gRPC and HTTP.
//
//	s, err := sidecar.Start(ctx, sidecar.Config{Node: node.Config{Store: store}})
//	defer s.Stop(ctx)
//	err = s.Ready(ctx)
//
// Each service that the user function declares is an actor type of the
// service's full name, so Go code of the cluster calls its entities as it calls
// any actor. docs/sidecar.md tells how to run one.
package sidecar

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/sidecar/internal/broker"
	brokers "github.com/mallee-io/mallee/sidecar/internal/broker/dial"
	"github.com/mallee-io/mallee/storage"
)

// Defaults of Config.
const (
	DefaultFunction     = "127.0.0.1:8080"
	DefaultListen       = ":9000"
	DefaultRelayTimeout = time.Minute
	DefaultPassivation  = 30 * time.Second
	DefaultMaxMessage   = 12 << 20
)

// Config is what a sidecar is told. The zero values work, with the user
// function at its usual address.
type Config struct {
	// Function is where the user function listens, host:port. Defaults to
	// DefaultFunction.
	Function string

	// Listen is where clients are served: gRPC, gRPC-Web, Connect and HTTP/JSON
	// on one port. Port 0 is any free one. Defaults to DefaultListen.
	Listen string

	// Management is where /ready and /alive are served. Defaults to nowhere.
	Management string

	// Metrics is where Prometheus finds the figures. Defaults to nowhere.
	Metrics string

	// Node is the node that the sidecar is in its cluster; the types of the
	// user function are added to its Types. Its CallTimeout defaults to
	// RelayTimeout here, and its Name to "sidecar".
	Node node.Config

	// Broker is the address of the broker of topics, nats://HOST:PORT,… or
	// kafka://HOST:PORT,…; docs/eventing.md has its parameters. Defaults to none.
	Broker string

	// Strict refuses user functions that announce another protocol than 0.2,
	// and asks one that it cannot serve only again when it has restarted.
	Strict bool

	// RelayTimeout bounds how long the user function may take to answer a command
	// to an entity. Defaults to DefaultRelayTimeout.
	RelayTimeout time.Duration

	// Passivation ends entities that had no command for so long, where the user
	// function does not say. Defaults to DefaultPassivation.
	Passivation time.Duration

	// MaxStreams bounds how many entities have a stream to the user function at
	// once: for another one, that which was idle longest ends its own. Defaults
	// to no bound but for Python's library, which needs a thread for each: there,
	// to one less than there are CPUs.
	MaxStreams int

	// MaxMessage bounds messages of the user function and of clients, in bytes.
	// Defaults to DefaultMaxMessage.
	MaxMessage int

	// Log defaults to slog.Default.
	Log *slog.Logger
}

// Sidecar serves one user function. Its methods are safe for concurrent use.
type Sidecar struct {
	config   Config
	conn     *grpc.ClientConn // to the user function
	broker   broker.Broker    // nil: none
	reports  chan string
	pages    pages
	stopping context.CancelFunc
	done     chan struct{} // closed when it has ended

	mu      sync.Mutex
	changed chan struct{} // closed when what follows changes
	waiting error         // for what, while clients are not served
	serving *serving      // nil: clients are not served
	reached bool          // the user function is connected
	fatal   error         // why it has ended by itself
}

// Start begins to look for the user function, and returns. Ready tells when
// clients are served. ctx bounds the start alone: Stop ends the sidecar.
func Start(ctx context.Context, c Config) (*Sidecar, error) {
	c.complete()
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("start sidecar: %w", err)
	}
	conn, err := dial(c)
	if err != nil {
		return nil, fmt.Errorf("start sidecar: %w", err)
	}
	var topics broker.Broker
	if c.Broker != "" {
		topics, err = brokers.Broker(c.Broker)
	}
	if err != nil {
		return nil, fmt.Errorf("start sidecar: %w", errors.Join(err, conn.Close()))
	}
	s := &Sidecar{
		config: c, conn: conn, broker: topics, reports: make(chan string, maxReports), done: make(chan struct{}), changed: make(chan struct{}),
		waiting: mallee.ErrUnavailable.Errorf("the sidecar has not found the user function at %s yet", c.Function),
	}
	if err := s.openPages(ctx); err != nil {
		return nil, fmt.Errorf("start sidecar: %w", errors.Join(err, s.hangUp()))
	}
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	s.stopping = end
	go s.live(life)
	return s, nil
}

func (c *Config) complete() {
	c.Function = cmp.Or(c.Function, DefaultFunction)
	c.Listen = cmp.Or(c.Listen, DefaultListen)
	c.RelayTimeout = cmp.Or(c.RelayTimeout, DefaultRelayTimeout)
	c.Passivation = cmp.Or(c.Passivation, DefaultPassivation)
	c.MaxMessage = cmp.Or(c.MaxMessage, DefaultMaxMessage)
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Node.Log == nil {
		c.Node.Log = c.Log
	}
	c.Node.CallTimeout = cmp.Or(c.Node.CallTimeout, c.RelayTimeout)
	c.Node.Name = cmp.Or(c.Node.Name, "sidecar")
	if c.Node.Store == nil && c.Node.PD == nil && c.Node.Placement == nil {
		c.Node.Store = storage.Memory()
	}
}

func (c *Config) validate() error {
	switch {
	case c.RelayTimeout < 0:
		return mallee.ErrInvalid.Errorf("relay timeout %v is negative", c.RelayTimeout)
	case c.Passivation < 0:
		return mallee.ErrInvalid.Errorf("passivation after %v is negative", c.Passivation)
	case c.MaxStreams < 0:
		return mallee.ErrInvalid.Errorf("%d streams at most is negative", c.MaxStreams)
	case c.MaxMessage < 0:
		return mallee.ErrInvalid.Errorf("a message of %d bytes at most is negative", c.MaxMessage)
	}
	return nil
}

// Ready returns when clients are served, or ctx ends: then the error says what
// the sidecar waits for.
func (s *Sidecar) Ready(ctx context.Context) error {
	for {
		changed, err := s.ready()
		if err == nil {
			return nil
		}
		select {
		case <-changed:
		case <-s.done:
			return errors.Join(errStopped, s.Err())
		case <-ctx.Done():
			return err
		}
	}
}

var errStopped = mallee.ErrUnavailable.Errorf("the sidecar has stopped")

// ready is nil while clients are served and the user function is connected.
func (s *Sidecar) ready() (changed <-chan struct{}, waits error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.serving == nil:
		return s.changed, s.waiting
	case !s.reached:
		return s.changed, mallee.ErrUnavailable.Errorf("the user function at %s cannot be reached", s.config.Function)
	}
	return s.changed, nil
}

// note changes what ready looks at.
func (s *Sidecar) note(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
	close(s.changed)
	s.changed = make(chan struct{})
}

// waits says what the sidecar waits for now.
func (s *Sidecar) waits(err error) {
	s.config.Log.Warn("not ready", "function", s.config.Function, "error", err)
	s.note(func() { s.waiting = err })
}

// Addr is where clients are served, host:port; empty before Ready.
func (s *Sidecar) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.serving == nil {
		return ""
	}
	return s.serving.listener.Addr().String()
}

// Node is the sidecar's node, for Go code in its process; nil before Ready. A
// user function that comes back with other services gets another node.
func (s *Sidecar) Node() *node.Node {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.serving == nil {
		return nil
	}
	return s.serving.node
}

// Done is closed when the sidecar has ended, by Stop or by itself: then Err
// says why.
func (s *Sidecar) Done() <-chan struct{} { return s.done }

// Err is why the sidecar has ended by itself.
func (s *Sidecar) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fatal
}

// Stop lets calls finish, gives the entities to other nodes and leaves the
// cluster. When ctx ends it stops at once.
func (s *Sidecar) Stop(ctx context.Context) error {
	s.stopping()
	<-s.done
	var err error
	if serving := s.take(); serving != nil {
		err = serving.close(ctx)
	}
	return errors.Join(err, s.pages.close(), s.hangUp())
}

// hangUp ends the connections to others.
func (s *Sidecar) hangUp() error {
	err := s.conn.Close()
	if s.broker != nil {
		err = errors.Join(err, s.broker.Close())
	}
	return err
}

// take ends the serving of clients, once.
func (s *Sidecar) take() (was *serving) {
	s.note(func() { was, s.serving = s.serving, nil })
	return was
}
