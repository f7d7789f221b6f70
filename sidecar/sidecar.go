// Package sidecar runs next to a user function, a process in any language that
// speaks Cloudstate's protocol, and makes of its entities actors of a cluster:
// placed, durable, and reached over gRPC and HTTP.
package sidecar

import (
	"context"
	"log/slog"
	"time"

	"github.com/mallee-io/mallee/node"
)

// Config is what a sidecar is told. The zero values work, with the user
// function at its usual address.
type Config struct {
	// Function is where the user function listens, host:port. Defaults to
	// 127.0.0.1:8080.
	Function string

	// Listen is where clients are served: gRPC, gRPC-Web, Connect and HTTP/JSON
	// on one port. Defaults to :9000.
	Listen string

	// Management is where /ready and /alive are served. Defaults to nowhere.
	Management string

	// Metrics is where Prometheus finds the figures. Defaults to nowhere.
	Metrics string

	// Node is the node that the sidecar is in its cluster. Its Types are taken
	// along with those of the user function.
	Node node.Config

	// Strict refuses user functions that announce another protocol than 0.2.
	Strict bool

	// RelayTimeout bounds how long the user function may take to answer a command
	// to an entity. Defaults to a minute.
	RelayTimeout time.Duration

	// Passivation ends entities that had no command for so long, where the user
	// function does not say. Defaults to 30 s.
	Passivation time.Duration

	// MaxMessage bounds messages of the user function and of clients, in bytes.
	// Defaults to 12 MiB.
	MaxMessage int

	// Log defaults to slog.Default.
	Log *slog.Logger
}

// Sidecar serves one user function.
type Sidecar struct{}

// Start begins to look for the user function, and returns. Ready tells when
// clients are served.
func Start(_ context.Context, _ Config) (*Sidecar, error) { panic("not yet") }

// Ready returns when clients are served, or ctx ends: then the error says what
// it waits for.
func (s *Sidecar) Ready(_ context.Context) error { panic("not yet") }

// Addr is where clients are served.
func (s *Sidecar) Addr() string { panic("not yet") }

// Node is the sidecar's node, for Go code in its process; nil before Ready.
func (s *Sidecar) Node() *node.Node { panic("not yet") }

// Stop lets calls finish, gives the entities to other nodes and leaves the
// cluster. When ctx ends it stops at once.
func (s *Sidecar) Stop(_ context.Context) error { panic("not yet") }
