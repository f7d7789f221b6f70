package carrier

import (
	"sync"
	"time"
)

// Config limits connections. Its zero value is ready to use.
type Config struct {
	// MaxMessage is the largest payload of a data frame that clients may send,
	// in bytes. Defaults to 64 KiB.
	MaxMessage int
	// HandshakeTimeout is how long clients have for the handshakes of TLS and
	// QUIC, and to open their stream. That of a WebSocket's request is the
	// ReadTimeout of the http.Server. Defaults to 10 s.
	HandshakeTimeout time.Duration
	// FrameTimeout is how long a message may take from its first byte to its
	// last. Defaults to 30 s.
	FrameTimeout time.Duration
	// WriteTimeout is how long a client may leave what is sent to it unread
	// while the system has no room for more; it may be a quarter longer.
	// Defaults to 10 s.
	WriteTimeout time.Duration
	// CloseTimeout is how long Close waits for a client. Defaults to 1 s.
	CloseTimeout time.Duration
	// Origins are hosts whose web pages may connect, such as
	// "play.example.com:8080" or "*.example.com"; "*" is every page. Those of
	// the gateway's own host always may, and so may clients that are no
	// browsers, which name no origin. Defaults to none.
	Origins []string
}

// Acceptor makes connections. All its methods may be called at the same time.
type Acceptor struct {
	Config
	batches sync.Pool // of *[]byte with the capacity batchSize
}

// batchSize is how much is copied together to be written at once, in bytes.
const batchSize = 16 << 10

// New makes an Acceptor.
func New(c Config) *Acceptor {
	orDefault(&c.MaxMessage, 64<<10)
	orDefault(&c.HandshakeTimeout, 10*time.Second)
	orDefault(&c.FrameTimeout, 30*time.Second)
	orDefault(&c.WriteTimeout, 10*time.Second)
	orDefault(&c.CloseTimeout, time.Second)
	return &Acceptor{Config: c, batches: sync.Pool{New: func() any {
		b := make([]byte, 0, batchSize)
		return &b
	}}}
}

func orDefault[T int | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}
