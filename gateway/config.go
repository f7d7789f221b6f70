package gateway

import (
	"log/slog"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/gateway/internal/limit"
	"github.com/mallee-io/mallee/gateway/internal/stream"
	"github.com/mallee-io/mallee/gateway/login"
	"github.com/mallee-io/mallee/node"
)

// Config says what a gateway is. Node and Login are needed; every other field
// may be zero. Sizes are in bytes, and of messages without what carriers add.
type Config struct {
	// Node calls the actors. It may host some itself. A node has at most one
	// gateway, and is stopped after it.
	Node *node.Node

	// Login says who clients are and which actors they belong to: see package
	// gateway/login.
	Login login.Authenticator

	// Log is where the gateway writes. Defaults to slog.Default.
	Log *slog.Logger

	// Alone lets a user have one session at an actor: a new one replaces those
	// before it, which are closed with edge.CodeReplaced.
	Alone bool

	// Secrets seal the tokens with which clients resume, at least 16 bytes each.
	// The first one seals and all open. Gateways that take over each other's
	// sessions have them in common. Defaults to one of the gateway's own, which
	// ends with it.
	Secrets [][]byte

	// Window is how long a session waits for its client to come back, and how
	// long messages are kept that it has not acknowledged. Defaults to a minute.
	Window time.Duration

	// SendMessages and SendBytes bound what is kept for one client: what it has
	// not read yet, and what it has not acknowledged. Default to 1024 and 1 MiB.
	SendMessages int
	SendBytes    int

	// Slow is what happens to a client for whom more is to be kept. Defaults to
	// DropNewest.
	Slow Policy

	// QueueMessages and QueueBytes bound what waits for the actor of one client.
	// It is not read while there is as much. Default to 64 and 256 KiB.
	QueueMessages int
	QueueBytes    int

	// Patience is how long a session waits for an actor that cannot be reached,
	// before it is closed with edge.CodeUnavailable. Defaults to 30 s.
	Patience time.Duration

	// Handshake is how long a client has from its connection to its login, and
	// Login to decide. The actor has Patience after that. Defaults to 10 s.
	Handshake time.Duration

	// MaxMessage is the largest message of a client. Defaults to 64 KiB.
	MaxMessage int

	// Ping is how long a client may be silent before it is asked whether it
	// lives, and Idle how long before its connection is closed. Default to 25 s
	// and a minute.
	Ping time.Duration
	Idle time.Duration

	// WriteTimeout is how long a client may leave unread what is written to it,
	// before its connection is closed. Defaults to 10 s.
	WriteTimeout time.Duration

	// Messages and Bytes are what one connection may send, frames without data
	// included. A client that sends more is closed with edge.CodeRateLimited.
	// Default to no limit. KoalaRate is the counter of Koala's gateway.
	Messages Rate
	Bytes    Rate

	// MaxConnections and MaxPerAddress bound connections, all of them and those
	// from one address; IPv6 addresses of one /64 are one. Default to no limit.
	MaxConnections int
	MaxPerAddress  int

	// MaxMemory bounds what is kept for clients and actors together: the bytes of
	// messages, and 128 for each; one to many clients counts for each. From three quarters of it on no new clients
	// are let in, and from nine tenths on sessions are ended, those with the most
	// first. Defaults to 1 GiB.
	MaxMemory int64

	// Origins are hosts whose web pages may connect, such as "play.example.com"
	// or "*.example.com"; "*" is every page. Those of the gateway's own host
	// always may. Defaults to none.
	Origins []string

	// DrainSpread is the time over which clients leave a gateway that drains.
	// Defaults to 10 s.
	DrainSpread time.Duration

	// MoveTo are the URLs of other gateways, for clients of one that drains.
	// Defaults to the one by which they came.
	MoveTo []string
}

// Policy is what happens to clients that do not read as fast as messages come.
type Policy = stream.Policy

// Policies.
const (
	// DropNewest leaves out what is too much. Clients that speak frames are told
	// in its place how many messages are missing.
	DropNewest = stream.DropNewest
	// DropSession closes the connection with edge.CodeSlow. Clients that speak
	// frames may resume.
	DropSession = stream.DropSession
)

// Rate is how much may come in the long run, per second, and at once. Without
// PerSecond there is no limit.
type Rate = limit.Rate

// KoalaRate is the rate of Koala's counter: so many messages per second, and as
// many at once.
func KoalaRate(messages int64) Rate { return limit.Koala(messages) }

func (c *Config) setDefaults() {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	orDefault(&c.Window, time.Minute)
	orDefault(&c.SendMessages, 1024)
	orDefault(&c.SendBytes, 1<<20)
	orDefault(&c.QueueMessages, 64)
	orDefault(&c.QueueBytes, 256<<10)
	orDefault(&c.Patience, 30*time.Second)
	orDefault(&c.Handshake, 10*time.Second)
	orDefault(&c.MaxMessage, 64<<10)
	orDefault(&c.Ping, 25*time.Second)
	orDefault(&c.Idle, time.Minute)
	orDefault(&c.WriteTimeout, 10*time.Second)
	orDefault(&c.MaxMemory, 1<<30)
	orDefault(&c.Messages.Burst, c.Messages.PerSecond)
	orDefault(&c.Bytes.Burst, c.Bytes.PerSecond)
	orDefault(&c.DrainSpread, 10*time.Second)
}

func orDefault[T int | int64 | time.Duration](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

func (c *Config) validate() error {
	switch {
	case c.Node == nil:
		return mallee.ErrInvalid.Errorf("Config.Node is missing: a gateway calls actors by a node")
	case c.Login == nil:
		return mallee.ErrInvalid.Errorf("Config.Login is missing: take an Authenticator of package gateway/login")
	case min(c.Window, c.Patience, c.Handshake, c.Ping, c.Idle, c.WriteTimeout, c.DrainSpread) < 0:
		return mallee.ErrInvalid.Errorf("a time is negative")
	case min(c.SendMessages, c.SendBytes, c.QueueMessages, c.QueueBytes, c.MaxMessage, c.MaxConnections, c.MaxPerAddress) < 0,
		min(c.MaxMemory, c.Messages.PerSecond, c.Messages.Burst, c.Bytes.PerSecond, c.Bytes.Burst) < 0:
		return mallee.ErrInvalid.Errorf("a bound is negative")
	case c.Idle < c.Ping:
		return mallee.ErrInvalid.Errorf("Idle, %v, is shorter than Ping, %v: clients would be closed before they are asked", c.Idle, c.Ping)
	}
	return nil
}
