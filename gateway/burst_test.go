package gateway_test

import (
	"context"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mallee-io/mallee/gateway"
	"github.com/mallee-io/mallee/gateway/login"
	"github.com/mallee-io/mallee/wire/edge"
)

// burstVariable is how many clients come at once in TestBurst: 15000 need some
// 31,000 open files.
const burstVariable = "MALLEE_TEST_BURST"

// Many clients come in the same moment. All are let in and answered, nobody else
// is disturbed, and when they have left nothing of them stays. It does not run
// beside other tests, since goroutines are counted.
func TestBurst(t *testing.T) {
	many := 500
	if text := os.Getenv(burstVariable); text != "" {
		var err error
		if many, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
	}
	s := build(t, func(c *gateway.Config) { c.Handshake = patience })
	leave := s.neighbour()
	before := runtime.NumGoroutine()
	clients := make([]*socket, many)
	var all sync.WaitGroup
	var failed atomic.Int64
	start := time.Now()
	for i := range clients {
		all.Go(func() {
			c, err := s.from(i)
			if err != nil {
				failed.Add(1)
				t.Log(err)
				return
			}
			clients[i] = c
			c.send(edge.KindLogin, `{"version":1,"login":`+loginOf("ann", "quiet"+strconv.Itoa(i))+`}`)
			c.say("hello")
			for _, want := range []edge.Kind{edge.KindWelcome, edge.KindText} {
				if kind, payload, err := c.next(); err != nil || kind != want {
					failed.Add(1)
					t.Logf("frame %d %q, %v instead of kind %d", kind, payload, err, want)
					return
				}
			}
		})
	}
	all.Wait()
	t.Logf("%d clients were let in and answered in %v", many, time.Since(start))
	if n := failed.Load(); n > 0 {
		t.Errorf("%d of %d clients have failed", n, many)
	}
	if n := s.figure("sessions", "online"); int(n) != many+1 {
		t.Errorf("%.0f sessions", n)
	}
	for _, c := range clients {
		if c != nil {
			c.send(edge.KindClose, `{"code":1000,"reason":"done"}`)
			_ = c.Close()
		}
	}
	until(t, "only the neighbour is there", func() bool {
		return s.figure("connections", "") == 1 && s.figure("sessions", "") == 1 && s.figure("memory_bytes", "") < 10_000
	})
	until(t, "goroutines have ended", func() bool { return runtime.NumGoroutine() <= before+5 })
	leave()
}

// from connects from one of several addresses of this machine, where it has
// them: each has only so many ports.
func (s *site) from(i int) (*socket, error) {
	dialer := net.Dialer{Timeout: patience}
	if runtime.GOOS == "linux" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+i%8))}
	}
	conn, err := dialer.DialContext(s.t.Context(), "tcp", s.tcp)
	if err != nil {
		return nil, err
	}
	c := s.over(conn)
	c.framed = true
	return c, nil
}

// One address has its connections, and no others; another address is let in.
func TestManyFromOneAddress(t *testing.T) {
	t.Parallel()
	s := build(t, func(c *gateway.Config) { c.MaxPerAddress, c.MaxConnections = 5, 8 })
	var held []*socket
	for range 4 {
		c := s.stream()
		c.login(loginOf("ann", "quiet"))
		held = append(held, c)
	}
	held = append(held, s.page())
	held[4].login(loginOf("ann", "quiet"))
	until(t, "all are there", func() bool { return s.figure("connections", "") == 5 })
	for _, open := range []func() *socket{s.stream, func() *socket { return s.page() }, func() *socket { return s.page(edge.Subprotocol) }} {
		if code := open().farewell(); code != edge.CodeRateLimited {
			t.Errorf("closed with %d", code)
		}
	}
	if runtime.GOOS == "linux" {
		for i := range 4 {
			c, err := s.from(i)
			if err != nil {
				t.Fatal(err)
			}
			if i < 3 {
				c.login(loginOf("bob", "quiet"))
			} else if code := c.farewell(); code != edge.CodeOverloaded { // there are 8
				t.Errorf("closed with %d", code)
			}
		}
	}
	held[0].Close()
	until(t, "one has left", func() bool { return s.figure("sessions", "away") > 0 })
	until(t, "there is room", func() bool {
		c := s.stream()
		c.send(edge.KindLogin, `{"version":1,"login":`+loginOf("ann", "quiet")+`}`)
		kind, _, err := c.next()
		return err == nil && kind == edge.KindWelcome
	})
}

func TestOriginsOfPages(t *testing.T) {
	t.Parallel()
	s := build(t, func(c *gateway.Config) { c.Origins = []string{"*.games.example"} })
	for origin, want := range map[string]int{
		"https://evil.example":        http.StatusForbidden,
		"null":                        http.StatusForbidden,
		"https://play.games.example":  http.StatusSwitchingProtocols,
		"http://game.example":         http.StatusSwitchingProtocols,
		"https://evilgames.example":   http.StatusForbidden,
		"https://game.example:8443":   http.StatusForbidden,
		"https://game.example.evil.x": http.StatusForbidden,
	} {
		if status, _ := s.dial(s.web).upgrade("Origin: " + origin + "\r\n"); status != want {
			t.Errorf("%s is answered with %d", origin, status)
		}
	}
}

// A login of Koala is good once, and not for long.
func TestReplayedLogin(t *testing.T) {
	t.Parallel()
	s := build(t, func(c *gateway.Config) {
		koala, err := login.NewKoala(login.KoalaConfig{Key: "1234567890", QuickConnect: []string{"Echo"}, Window: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		c.Login = koala
	})
	packet := func(at time.Time) string {
		text := `{"open_id":"ann","server_id":1,"actor_type":"Echo","actor_id":"quiet","timestamp":` + strconv.FormatInt(at.Unix(), 10) + `}`
		sum, err := login.KoalaChecksum([]byte(text), "1234567890")
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSuffix(text, "}") + `,"check_sum":"` + sum + `"}`
	}
	good := packet(time.Now())
	ann := s.page()
	ann.say(good)
	ann.say("hello")
	ann.hears("hello")
	for what, bad := range map[string]struct {
		packet string
		want   edge.Code
	}{
		"again":       {good, edge.CodeLoginReplayed},
		"with spaces": {strings.Replace(good, ":", ": ", 1), edge.CodeLoginReplayed},
		"old":         {packet(time.Now().Add(-2 * time.Hour)), edge.CodeLoginExpired},
		"changed":     {strings.Replace(good, "ann", "bob", 1), edge.CodeLoginRefused},
	} {
		eve := s.page()
		eve.say(bad.packet)
		if code := eve.farewell(); code != bad.want {
			t.Errorf("%s: closed with %d", what, code)
		}
	}
	ann.say("still here")
	ann.hears("still here")
}

// A client vanishes without a word: what is between it and the gateway passes
// nothing on any more, and closes nothing.
func TestHalfOpen(t *testing.T) {
	t.Parallel()
	s := build(t, func(c *gateway.Config) { c.Ping, c.Idle = time.Second, 5*time.Second })
	leave := s.neighbour()
	addr, silence := s.proxy()
	vanished := s.dial(addr)
	vanished.framed = true
	w := vanished.login(loginOf("ann", "quiet ann"))
	vanished.say("one")
	vanished.hears("one")
	silence()
	vanished.say("two")
	until(t, "the session waits for its client", func() bool { return s.figure("sessions", "away") == 1 })
	if n := s.figure("closed_connections_total", strconv.Itoa(int(edge.CodeIdle))); n != 1 {
		t.Errorf("%.0f connections were closed since they are silent", n)
	}
	back := s.stream()
	if w := back.hello(edge.Hello{Resume: &edge.Resume{Token: w.Token, Epoch: w.Epoch, Received: 1}}); !w.Resumed || w.Received != 1 {
		t.Errorf("welcome: %+v", w)
	}
	back.say("two")
	back.hears("two")
	leave()
}

// proxy passes on what clients and the gateway say, until it is silent.
func (s *site) proxy() (addr string, silence func()) {
	s.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = listener.Close() })
	silent, hush := context.WithCancel(context.Background())
	pass := func(to, from net.Conn) {
		b := make([]byte, 4<<10)
		for {
			n, err := from.Read(b)
			if err != nil {
				return
			}
			if silent.Err() == nil {
				_, _ = to.Write(b[:n])
			}
		}
	}
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", s.tcp)
			if err != nil {
				s.t.Error(err)
				return
			}
			s.t.Cleanup(func() { _, _ = near.Close(), far.Close() })
			go pass(far, near)
			go pass(near, far)
		}
	}()
	return listener.Addr().String(), hush
}

// With DropSession a client that does not read loses its connection at once.
func TestNeverReads(t *testing.T) {
	t.Parallel()
	s := build(t, func(c *gateway.Config) { c.Slow, c.WriteTimeout = gateway.DropSession, 10*time.Second })
	leave := s.neighbour()
	c := s.stream()
	c.login(`{"user":"eve","actor":"a","type":"Mill"}`)
	c.say("1000") // 32 MB
	until(t, "the connection is closed", func() bool {
		return s.figure("closed_connections_total", strconv.Itoa(int(edge.CodeSlow))) == 1
	})
	if kept := s.figure("memory_bytes", ""); kept > 2<<20 {
		t.Errorf("the gateway keeps %.0f bytes", kept)
	}
	leave()
}
