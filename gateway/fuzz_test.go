package gateway_test

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/mallee-io/mallee/gateway/internal/carrier"
	"github.com/mallee-io/mallee/wire/edge"
)

// script is a connection in memory whose client sends what a fuzzer has made
// up, and leaves.
type script struct {
	frames []carrier.Frame // guarded by the reader
	framed bool
	over   chan struct{} // closed when the gateway has closed it

	mu     sync.Mutex
	closed []edge.Code
	down   []carrier.Frame
}

func (s *script) Read() (carrier.Frame, error) {
	if len(s.frames) == 0 {
		return carrier.Frame{}, errors.New("connection reset")
	}
	f := s.frames[0]
	s.frames = s.frames[1:]
	return f, nil
}

func (s *script) Write(frames []*carrier.Outgoing) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.closed) > 0 {
		return net.ErrClosed
	}
	for _, f := range frames {
		s.down = append(s.down, f.Frame)
	}
	return nil
}

func (s *script) Close(code edge.Code, _ string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed = append(s.closed, code); len(s.closed) == 1 {
		close(s.over)
	}
}

func (s *script) Heard() uint64          { return 0 }
func (s *script) Ping() error            { return nil }
func (s *script) Remote() netip.AddrPort { return netip.MustParseAddrPort("192.0.2.1:1000") }
func (s *script) Framed() bool           { return s.framed }
func (s *script) Name() string           { return "memory" }

// frames makes frames of bytes: a kind, a length, a payload, and so on.
func frames(b []byte) (list []carrier.Frame) {
	for len(b) >= 2 {
		n := min(int(b[1]), len(b)-2)
		list = append(list, carrier.Frame{Kind: edge.Kind(b[0]), Data: b[2 : 2+n]})
		b = b[2+n:]
	}
	return list
}

// FuzzSession: whatever frames a client sends, in whatever order, the gateway
// closes it with a code, logs no error, and serves the next one.
func FuzzSession(f *testing.F) {
	frame := func(kind edge.Kind, text string) string { return string([]byte{byte(kind), byte(len(text))}) + text }
	hello := frame(edge.KindLogin, `{"version":1,"login":`+loginOf("ann", "quiet")+`}`)
	for _, seed := range []string{
		"", hello, hello + frame(edge.KindText, "hi") + frame(edge.KindAck, "\x01") + frame(edge.KindClose, `{"code":1000}`),
		hello + hello, hello + frame(edge.KindText, "\xff") + frame(edge.KindPing, "x") + frame(edge.KindPong, "x"),
		hello + frame(edge.KindClose, `{"code":4200}`) + frame(edge.KindText, "late"), hello + frame(edge.KindAck, "\xff\xff\x7f"),
		frame(edge.KindLogin, `{"version":1,"resume":{"token":"AQx7","epoch":"k3","received":18446744073709551615}}`),
		hello + frame(edge.KindWelcome, "{}"), hello + frame(0, "") + frame(255, "x"), frame(edge.KindText, loginOf("ann", "quiet")),
		frame(edge.KindLogin, `{"version":1,"login":`+loginOf("ann", "a")+`}`) + frame(edge.KindText, "kick now") + frame(edge.KindText, "bind b"),
	} {
		f.Add([]byte(seed), true)
		f.Add([]byte(seed), false)
	}
	site := build(f)
	good := site.stream()
	good.login(loginOf("neighbour", "quiet neighbour"))
	f.Fuzz(func(t *testing.T, b []byte, framed bool) {
		c := &script{frames: frames(b), framed: framed, over: make(chan struct{})}
		go site.gateway.Accept(c)
		select {
		case <-c.over:
		case <-time.After(patience):
			t.Fatal("the connection is not closed")
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.closed[0] == 0 { // a client's own code comes back
			t.Error("closed without a code")
		}
		if len(c.down) > 0 && framed && c.down[0].Kind != edge.KindWelcome {
			t.Errorf("the first frame has kind %d", c.down[0].Kind)
		}
		good.t = t
		good.say("hello")
		good.hears("hello")
	})
}
