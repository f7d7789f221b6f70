package gateway_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"

	"github.com/mallee-io/mallee/gateway"
	"github.com/mallee-io/mallee/wire/edge"
)

// abuse is something that no client should do, and the code with which the
// gateway closes it.
type abuse struct {
	do   func(s *site) *socket
	want edge.Code
}

// Whoever abuses the gateway is closed with the right code, disturbs nobody, and
// leaves nothing behind. It does not run beside other tests, since goroutines are
// counted.
func TestAbuse(t *testing.T) {
	s := build(t, func(c *gateway.Config) {
		c.Handshake, c.Ping, c.Idle, c.WriteTimeout, c.Window = 3*time.Second, time.Second, 10*time.Second, 3*time.Second, time.Second
		c.Messages, c.Bytes = gateway.KoalaRate(300), gateway.Rate{PerSecond: 1 << 20}
	})
	s.stream().Close() // what is started once for all is there
	leave := s.neighbour()
	before := runtime.NumGoroutine()
	all, clients := abuses(), make(map[string]*socket)
	for what, a := range all {
		clients[what] = a.do(s)
	}
	for what, c := range clients {
		if code := c.farewell(); code != all[what].want {
			t.Errorf("%s: closed with %d instead of %d", what, code, all[what].want)
		}
	}
	until(t, "only the neighbour is there", func() bool {
		return s.figure("connections", "") == 1 && s.figure("sessions", "") == 1 && s.figure("memory_bytes", "") < 10_000
	})
	until(t, "goroutines have ended", func() bool { return runtime.NumGoroutine() <= before+5 })
	leave()
}

func abuses() map[string]abuse {
	in := func(c *socket) *socket {
		c.login(loginOf("eve", "quiet eve"))
		return c
	}
	after := func(open func(*site) *socket, bad func(c *socket)) func(*site) *socket {
		return func(s *site) *socket {
			c := in(open(s))
			bad(c)
			return c
		}
	}
	stream := func(s *site) *socket { return s.stream() }
	page := func(s *site) *socket { return s.page() }
	framed := func(s *site) *socket { return s.page(edge.Subprotocol) }
	logins := func(open func(*site) *socket, packet string) func(*site) *socket {
		return func(s *site) *socket {
			c := open(s)
			if !c.framed {
				c.say(packet)
				return c
			}
			c.send(edge.KindLogin, `{"version":1,"login":`+packet+`}`)
			return c
		}
	}
	return map[string]abuse{
		"HTTP header, byte by byte":      {headerDribble, 0},
		"login, byte by byte, TCP":       {loginDribble(stream), edge.CodeLoginLate},
		"login, byte by byte, WebSocket": {loginDribble(framed), edge.CodeLoginLate},
		"no login, TCP":                  {stream, edge.CodeLoginLate},
		"no login, WebSocket":            {page, edge.CodeLoginLate},
		"HTTP to the port of TCP":        {func(s *site) *socket { c := s.stream(); c.raw("GET / HTTP/1.1\r\n\r\n"); return c }, edge.CodeProtocol},
		"leaves before the login":        {func(s *site) *socket { c := s.stream(); c.Close(); return c }, 0},
		"resets before the login":        {reset, 0},
		"oversized login, TCP":           {logins(stream, `"`+strings.Repeat("x", edge.MaxLogin)+`"`), edge.CodeTooLarge},
		"oversized login, WebSocket":     {logins(framed, `"`+strings.Repeat("x", edge.MaxLogin)+`"`), edge.CodeTooLarge},
		"oversized login, plain":         {logins(page, `"`+strings.Repeat("x", edge.MaxLogin)+`"`), edge.CodeTooLarge},
		"login that is no JSON":          {logins(page, `{"user":`), edge.CodeLoginInvalid},
		"login of a later version":       {func(s *site) *socket { c := s.stream(); c.send(edge.KindLogin, `{"version":2,"login":{}}`); return c }, edge.CodeLoginInvalid},
		"login for a type that is not":   {logins(stream, `{"user":"eve","actor":"a","type":"Nobody"}`), edge.CodeNoActor},
		"login for one without sessions": {logins(stream, `{"user":"eve","actor":"a","type":"Deaf"}`), edge.CodeNoActor},
		"login for no actor":             {logins(stream, `{"user":"eve","actor":""}`), edge.CodeNoActor},
		"login for one that refuses":     {logins(stream, loginOf("eve", "refuses")), edge.CodeRefused},
		"login for one that throws":      {logins(stream, `{"user":"eve","actor":"throws","type":"Mill"}`), edge.CodeRefused},
		"data before the login":          {func(s *site) *socket { c := s.stream(); c.say("hello"); return c }, edge.CodeProtocol},
		"a second login":                 {after(stream, func(c *socket) { c.send(edge.KindLogin, `{"version":1,"login":{}}`) }), edge.CodeProtocol},
		"ack of what was not sent":       {after(stream, func(c *socket) { c.send(edge.KindAck, "\x7f") }), edge.CodeProtocol},
		"text that is not UTF-8, TCP":    {after(stream, func(c *socket) { c.say("\xc3\x28") }), edge.CodeText},
		"text that is not UTF-8, plain":  {after(page, func(c *socket) { c.say("\xc3\x28") }), edge.CodeText},
		"too large a message, TCP":       {after(stream, func(c *socket) { c.say(strings.Repeat("x", 64<<10+1)) }), edge.CodeTooLarge},
		"too large a message, plain":     {after(page, func(c *socket) { c.say(strings.Repeat("x", 64<<10+1)) }), edge.CodeTooLarge},
		"a compressed bomb":              {bomb, edge.CodeProtocol},
		"flood of messages, TCP":         {after(stream, flood("hi", 5000)), edge.CodeRateLimited},
		"flood of messages, WebSocket":   {after(framed, flood("hi", 5000)), edge.CodeRateLimited},
		"flood of bytes":                 {after(stream, flood(strings.Repeat("x", 60<<10), 60)), edge.CodeRateLimited},
		"flood of acks":                  {after(stream, func(c *socket) { c.raw(strings.Repeat(c.frame(edge.KindAck, "\x00"), 5000)) }), edge.CodeRateLimited},
		"flood of pings, TCP":            {after(stream, func(c *socket) { c.raw(strings.Repeat(c.frame(edge.KindPing, ""), 3000)) }), edge.CodeRateLimited},
		"flood of pings, WebSocket": {after(page, func(c *socket) {
			c.raw(strings.Repeat(string(ws.MustCompileFrame(ws.MaskFrame(ws.NewPingFrame(nil)))), 3000))
		}), edge.CodeRateLimited},
		"half a frame, and then silence": {after(stream, func(c *socket) { c.raw("\x00\x00\x01\x00\x03half") }), edge.CodeIdle},
		"silence":                        {after(page, func(*socket) {}), edge.CodeIdle},
		"a message that makes it throw":  {throws, edge.CodeNormal},
		"never reads":                    {neverReads, 0},
		"token that was made up": {func(s *site) *socket {
			c := s.stream()
			c.send(edge.KindLogin, `{"version":1,"resume":{"token":"AQx7"}}`)
			return c
		}, edge.CodeResumeRefused},
		"kicked, and back with the token": {kickedAndBack, edge.CodeKicked},
	}
}

func flood(text string, n int) func(c *socket) {
	return func(c *socket) { c.raw(strings.Repeat(c.frame(edge.KindText, text), n)) }
}

// dribble writes byte by byte until the gateway has hung up.
func dribble(c *socket, text string) {
	go func() {
		pause := time.NewTicker(50 * time.Millisecond)
		defer pause.Stop()
		for i := range len(text) {
			if _, err := io.WriteString(c.Conn, text[i:i+1]); err != nil {
				return
			}
			<-pause.C
		}
	}()
}

func headerDribble(s *site) *socket {
	c := s.dial(s.web)
	c.framed = true
	dribble(c, "GET / HTTP/1.1\r\nHost: game.example\r\nX: "+strings.Repeat("x", 10_000))
	_, _ = io.Copy(io.Discard, c.in) // a 408, or nothing
	return c
}

func loginDribble(open func(*site) *socket) func(*site) *socket {
	return func(s *site) *socket {
		c := open(s)
		dribble(c, c.frame(edge.KindLogin, `{"version":1,"login":{"user":"`+strings.Repeat("x", 10_000)+`"}}`))
		return c
	}
}

func reset(s *site) *socket {
	c := s.stream()
	c.raw("\x00")
	_ = c.Conn.(*net.TCPConn).SetLinger(0)
	_ = c.Close()
	return c
}

// bomb offers compression, and sends a compressed message although it was not
// taken.
func bomb(s *site) *socket {
	c := s.dial(s.web)
	c.web = true
	status, extensions := c.upgrade("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n")
	if status != http.StatusSwitchingProtocols || extensions != "" {
		s.t.Errorf("compression is answered with %d %q", status, extensions)
	}
	c.login(loginOf("eve", "quiet eve"))
	f := ws.MaskFrame(ws.NewTextFrame(make([]byte, 1000)))
	f.Header.Rsv = ws.Rsv(true, false, false)
	c.raw(string(ws.MustCompileFrame(f)))
	return c
}

// throws is a client whose actor panics at a message, and again when it leaves.
// The session goes on until the client leaves it.
func throws(s *site) *socket {
	c := s.stream()
	c.login(`{"user":"eve","actor":"a","type":"Mill"}`)
	for range 3 {
		c.say("not a number")
	}
	c.say("1")
	if kind, payload, err := c.next(); err != nil || kind != edge.KindBinary || len(payload) != 32<<10 {
		s.t.Fatalf("frame %d of %d bytes, %v", kind, len(payload), err)
	}
	c.send(edge.KindClose, `{"code":1000,"reason":"done"}`)
	return c
}

// neverReads is a client that wants much and takes nothing. The gateway keeps no
// more of it than it may. There is no code: the stream has ended amid a frame.
func neverReads(s *site) *socket {
	c := s.stream()
	w := c.login(`{"user":"eve","actor":"a","type":"Mill"}`)
	c.say("1000") // 32 MB
	var most float64
	until(s.t, "the client is closed", func() bool {
		most = max(most, s.figure("memory_bytes", ""))
		return s.figure("closed_connections_total", fmt.Sprint(edge.CodeSlow)) > 0
	})
	if most > 8<<20 { // of all clients
		s.t.Errorf("the gateway has kept %.0f bytes", most)
	}
	back := s.stream()
	if w := back.hello(edge.Hello{Resume: &edge.Resume{Token: w.Token, Epoch: w.Epoch}}); !w.Resumed {
		s.t.Errorf("welcome: %+v", w)
	}
	back.send(edge.KindClose, `{"code":1000,"reason":"done"}`)
	back.farewell()
	return c
}

func kickedAndBack(s *site) *socket {
	c := s.stream()
	w := c.login(loginOf("eve", "a"))
	c.say("kick enough")
	if code := c.farewell(); code != edge.CodeKicked {
		s.t.Errorf("kicked with %d", code)
	}
	back := s.stream()
	hello, err := edge.Encode(edge.Hello{Version: edge.Version, Resume: &edge.Resume{Token: w.Token, Epoch: w.Epoch}})
	if err != nil {
		s.t.Fatal(err)
	}
	back.send(edge.KindLogin, string(hello))
	return back
}
