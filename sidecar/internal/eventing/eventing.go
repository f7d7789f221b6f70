// Package eventing brings events to the methods that consume them, from the logs
// of event sourced entities and from topics of a message broker, and publishes
// replies to topics. Events come at least once and in order.
package eventing

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/sidecar/internal/broker"
	"github.com/mallee-io/mallee/sidecar/internal/command"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
	"github.com/mallee-io/mallee/storage"
)

// Defaults of Config.
const (
	DefaultTimeout    = time.Minute
	DefaultAttempts   = 10
	DefaultSweepEvery = time.Hour
)

// Config is what eventing needs.
type Config struct {
	Model  *spec.Model
	Store  storage.Store     // that of the node: entities with events to deliver are found in it
	Broker broker.Broker     // nil: the model has been loaded without one, and has no topics
	Report func(text string) // tells the user function's developer; must not block

	// Timeout bounds how long a method may take for an event, with all that it
	// leads to; then it is tried again. Defaults to DefaultTimeout.
	Timeout time.Duration

	// Attempts is how often an event is given to a method that fails it, or is
	// read, before it is set aside. An event that cannot be brought to its method
	// is tried for ever. Defaults to DefaultAttempts.
	Attempts int

	// SweepEvery is how often the cluster searches its entities for forgotten
	// events. Defaults to DefaultSweepEvery.
	SweepEvery time.Duration

	// Log defaults to slog.Default.
	Log *slog.Logger
}

// Caller brings an event to its method. It is implemented by *route.Router.
type Caller interface {
	Call(ctx context.Context, from mallee.Caller, c *command.Command) error
}

// Eventing is the eventing of one user function. Its methods are safe for
// concurrent use.
type Eventing struct {
	config    Config
	consumers []*consumer
	logs      map[*spec.Service]*log // that are consumed
	published struct{ done, failed atomic.Int64 }

	// Set by Start, before started is closed.
	router  Caller
	actors  mallee.Caller
	started chan struct{}

	// Intake ends when Stop begins, work when it must not wait any longer.
	intake, work       context.Context
	endIntake, abandon context.CancelFunc
	running            sync.WaitGroup
	mu                 sync.Mutex // guards stopped, so that nothing is added to running after it
	stopped            bool
}

// New makes the eventing of a user function. Until Start nothing is consumed:
// followers wait. Publish works.
func New(c Config) *Eventing {
	c.Timeout = cmp.Or(c.Timeout, DefaultTimeout)
	c.Attempts = cmp.Or(c.Attempts, DefaultAttempts)
	c.SweepEvery = cmp.Or(c.SweepEvery, DefaultSweepEvery)
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Report == nil {
		c.Report = func(string) {}
	}
	e := &Eventing{config: c, consumers: consumers(c.Model), started: make(chan struct{})}
	e.logs = logs(c.Model, e.consumers)
	e.intake, e.endIntake = context.WithCancel(context.Background())
	e.work, e.abandon = context.WithCancel(context.Background())
	return e
}

// Start begins to consume, once commands are served. Call it once.
func (e *Eventing) Start(router Caller, actors mallee.Caller) {
	e.router, e.actors = router, actors
	close(e.started)
	for _, c := range e.consumers {
		if c.source.Topic != "" {
			e.run(func() { e.consume(c) })
		}
	}
	for _, log := range e.logs {
		e.run(func() { e.sweep(log) })
	}
}

// Stop takes no more events, and waits until those that are being handled are
// done, or ctx ends: then they are given up, and come again after the next
// start.
func (e *Eventing) Stop(ctx context.Context) {
	e.mu.Lock()
	e.stopped = true
	e.mu.Unlock()
	e.endIntake()
	defer context.AfterFunc(ctx, e.abandon)()
	e.running.Wait()
	e.abandon()
}

// run runs something that Stop waits for. It reports whether it has begun.
func (e *Eventing) run(f func()) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.stopped {
		e.running.Go(f)
	}
	return !e.stopped
}
