package client

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"time"

	"github.com/mallee-io/mallee/wire/edge"
)

// Config says where the gateway is and who logs in.
type Config struct {
	// URLs are tried in order, and the one that has worked is used again. The
	// scheme says what carries frames: ws, wss, tcp, tls or quic; the last
	// three have a host and a port and nothing else.
	URLs []string
	// Login gives what the gateway's login asks for: a JSON object, or a string
	// with a JWT. It is called before each connection that needs one: the first,
	// and one after a session that cannot be resumed. If the gateway has refused
	// a login, it gets the reason, and should give a new one or an error, which
	// closes the Conn. Defaults to an empty object.
	Login func(ctx context.Context, refused *edge.Closed) (json.RawMessage, error)
	// TLS is for wss, tls and quic. Defaults to the system's certificates.
	TLS *tls.Config
	// Notify is told of connections that come and go. It is called by one
	// goroutine at a time, which waits for it, and must not call Close.
	Notify func(Event)

	// SendBuffer and SendBytes bound what is kept until the gateway has
	// acknowledged it. Default to 1024 messages and 4 MiB.
	SendBuffer, SendBytes int
	// ReceiveBuffer is how many messages wait for Receive before the connection
	// is not read any more. Defaults to 64.
	ReceiveBuffer int
	// Largest is the largest message that is taken, in bytes. Defaults to 16 MiB.
	Largest int
	// Timeout is how long one attempt may take, up to the gateway's welcome.
	// Defaults to 10 s.
	Timeout time.Duration
	// Backoff is the longest pause before the first attempt to come back. It
	// doubles with each that fails, up to MaxBackoff; a random part of it is
	// taken. Default to 250 ms and 10 s.
	Backoff, MaxBackoff time.Duration
	// AckEvery and AckAfter say when the gateway is told what has come: after so
	// many messages, or so long after a message. Default to 32 and 1 s.
	AckEvery int
	AckAfter time.Duration
}

// Event tells of a connection. One field is set.
type Event struct {
	Opened *edge.Welcome
	Moving *edge.Move   // the gateway is about to stop; the Conn goes to another one
	Closed *edge.Closed // the connection is over; Closed.Code.Action says what the Conn does now
}

// Login is a Config.Login that gives the same JSON each time, and gives up once
// it was refused, since it would be again.
func Login(login any) func(context.Context, *edge.Closed) (json.RawMessage, error) {
	return func(_ context.Context, refused *edge.Closed) (json.RawMessage, error) {
		if refused != nil && refused.Code != edge.CodeLoginLate {
			return nil, refused
		}
		return json.Marshal(login)
	}
}

func (c Config) withDefaults() Config {
	if c.Login == nil {
		c.Login = Login(struct{}{})
	}
	if c.Notify == nil {
		c.Notify = func(Event) {}
	}
	orDefault(&c.SendBuffer, 1024)
	orDefault(&c.SendBytes, 4<<20)
	orDefault(&c.ReceiveBuffer, 64)
	orDefault(&c.Largest, 16<<20)
	orDefault(&c.Timeout, 10*time.Second)
	orDefault(&c.Backoff, 250*time.Millisecond)
	orDefault(&c.MaxBackoff, 10*time.Second)
	orDefault(&c.AckEvery, 32)
	orDefault(&c.AckAfter, time.Second)
	return c
}

func orDefault[T int | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}
