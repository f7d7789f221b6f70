package replicated

import (
	"cmp"
	"log/slog"
	"time"

	"google.golang.org/grpc"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/crdt"
	"github.com/mallee-io/mallee/sidecar/internal/entity"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
)

// Defaults of Config.
const (
	DefaultRelayTimeout  = time.Minute
	DefaultIdleTimeout   = 30 * time.Second
	DefaultCloseTimeout  = 5 * time.Second
	DefaultCancelTimeout = 3 * time.Second
	DefaultReadTimeout   = 3 * time.Second
	DefaultWriteTimeout  = 5 * time.Second
	DefaultMaxMessage    = 12 << 20
	DefaultMaxBehind     = 16 << 20
	DefaultHoldAfter     = 500 * time.Millisecond
)

// Config is what a Server needs.
type Config struct {
	Model    *spec.Model
	Function grpc.ClientConnInterface // the user function
	Replicas Replicas
	Report   func(text string) // tells the user function's developer; must not block

	// RelayTimeout bounds how long the user function may take for a command, and
	// for taking a message. Defaults to DefaultRelayTimeout.
	RelayTimeout time.Duration

	// IdleTimeout ends instances without commands and streams for so long, where
	// their service does not say. Defaults to DefaultIdleTimeout.
	IdleTimeout time.Duration

	// CloseTimeout bounds how long the user function may take to end a stream that
	// has been half-closed; then it is canceled. Defaults to DefaultCloseTimeout.
	CloseTimeout time.Duration

	// CancelTimeout bounds how long changes of others wait for the response to a
	// cancel. Defaults to DefaultCancelTimeout.
	CancelTimeout time.Duration

	// ReadTimeout bounds how long a new instance waits for what a majority has,
	// before it takes what is here. Defaults to DefaultReadTimeout.
	ReadTimeout time.Duration

	// WriteTimeout bounds writes that have to reach other nodes. Defaults to
	// DefaultWriteTimeout.
	WriteTimeout time.Duration

	// Streams bounds the streams of all entities that are given the same one. Nil:
	// no bound.
	Streams *entity.Streams

	// MaxMessage bounds messages of the user function, in bytes. Defaults to
	// DefaultMaxMessage.
	MaxMessage int

	// MaxCommands bounds the commands and streams of one instance that are not
	// done: more are refused. Defaults to mallee.DefaultMailboxSize.
	MaxCommands int

	// MaxBehind bounds, in bytes, what waits for the caller of one stream: one that
	// is further behind fails. Defaults to DefaultMaxBehind.
	MaxBehind int

	// HoldAfter is how long the user function may know nothing of what others have
	// changed, since it always has commands to answer: then new ones wait until it
	// has been told. Defaults to DefaultHoldAfter.
	HoldAfter time.Duration

	// Log defaults to slog.Default.
	Log *slog.Logger
}

// Replicas are the replicated values of this node. It is implemented by
// *node.Node.
type Replicas interface {
	Replica(id mallee.ID) crdt.Replica
}

func (c Config) withDefaults() Config {
	c.RelayTimeout = cmp.Or(c.RelayTimeout, DefaultRelayTimeout)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, DefaultIdleTimeout)
	c.CloseTimeout = cmp.Or(c.CloseTimeout, DefaultCloseTimeout)
	c.CancelTimeout = cmp.Or(c.CancelTimeout, DefaultCancelTimeout)
	c.ReadTimeout = cmp.Or(c.ReadTimeout, DefaultReadTimeout)
	c.WriteTimeout = cmp.Or(c.WriteTimeout, DefaultWriteTimeout)
	c.MaxMessage = cmp.Or(c.MaxMessage, DefaultMaxMessage)
	c.MaxCommands = cmp.Or(c.MaxCommands, mallee.DefaultMailboxSize)
	c.MaxBehind = cmp.Or(c.MaxBehind, DefaultMaxBehind)
	c.HoldAfter = cmp.Or(c.HoldAfter, DefaultHoldAfter)
	if c.Report == nil {
		c.Report = func(string) {}
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return c
}
