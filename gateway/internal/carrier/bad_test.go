package carrier_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mallee-io/mallee/gateway/internal/carrier"
	"github.com/mallee-io/mallee/wire/edge"
)

// What no client should send as frames is refused with the same code on every
// carrier.
func TestBadFrames(t *testing.T) {
	t.Parallel()
	for what, bad := range map[string]struct {
		kind    edge.Kind
		payload string
		want    edge.Code
	}{
		"kind 0":                   {0, "", edge.CodeProtocol},
		"unknown kind":             {11, "", edge.CodeProtocol},
		"kind of gateways":         {edge.KindWelcome, "{}", edge.CodeProtocol},
		"text that is not UTF-8":   {edge.KindText, "\xc3\x28", edge.CodeText},
		"message beyond the limit": {edge.KindBinary, strings.Repeat("x", 1001), edge.CodeTooLarge},
		"login beyond 16 KiB":      {edge.KindLogin, strings.Repeat("x", 16<<10+1), edge.CodeTooLarge},
		"ping of 126 bytes":        {edge.KindPing, strings.Repeat("x", 126), edge.CodeTooLarge},
		"close that is not JSON":   {edge.KindClose, "bye", edge.CodeProtocol},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			onEach(t, framedCarriers(), carrier.Config{MaxMessage: 1000}, func(t *testing.T, cl *client, conn carrier.Conn) {
				go refuse(t, conn)
				cl.send(bad.kind, bad.payload)
				if code, reason := cl.farewell(); code != bad.want || reason == "" {
					t.Errorf("closed with %d, %q; not %d", code, reason, bad.want)
				}
			})
		})
	}
}

func TestBadBytes(t *testing.T) {
	t.Parallel()
	webSockets, streams, c := webSockets(), streams(), carrier.Config{MaxMessage: 1000}
	for what, bad := range map[string]struct {
		on   map[string]dialer
		sent string
		want edge.Code
	}{
		"frame of 4 GiB":             {streams, "\xff\xff\xff\xff\x04", edge.CodeTooLarge},
		"frame without a kind":       {streams, "\x00\x00\x00\x00\x04", edge.CodeProtocol},
		"HTTP":                       {streams, "GET / HTTP/1.1\r\n\r\n", edge.CodeProtocol},
		"not masked":                 {webSockets, "\x82\x01x", edge.CodeProtocol},
		"compressed":                 {webSockets, string(masked(0xC2, "x")), edge.CodeProtocol},
		"reserved bit":               {webSockets, string(masked(0xA2, "x")), edge.CodeProtocol},
		"reserved opcode":            {webSockets, string(masked(0x83, "x")), edge.CodeProtocol},
		"reserved control":           {webSockets, string(masked(0x8B, "x")), edge.CodeProtocol},
		"ping of 126 bytes":          {webSockets, string(masked(0x89, strings.Repeat("x", 126))), edge.CodeProtocol},
		"ping in fragments":          {webSockets, string(masked(0x09, "x")), edge.CodeProtocol},
		"fragment of nothing":        {webSockets, string(masked(0x80, "x")), edge.CodeProtocol},
		"message amid a message":     {webSockets, string(masked(0x02, "x")) + string(masked(0x82, "x")), edge.CodeProtocol},
		"length of 2^63":             {webSockets, "\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00abcd", edge.CodeProtocol},
		"length of 2^63-1":           {webSockets, "\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xffabcd", edge.CodeTooLarge},
		"2^63-1 behind a fragment":   {webSockets, string(masked(0x02, "xx")) + "\x80\xff\x7f\xff\xff\xff\xff\xff\xff\xffabcd", edge.CodeTooLarge},
		"fragments beyond the limit": {webSockets, string(masked(0x02, strings.Repeat("x", 600))) + strings.Repeat(string(masked(0x00, strings.Repeat("x", 600))), 27), edge.CodeTooLarge},
		"close with half a code":     {webSockets, string(masked(0x88, "\x03")), edge.CodeProtocol},
		"close with code 1005":       {webSockets, string(masked(0x88, "\x03\xed")), edge.CodeProtocol},
		"reason that is not UTF-8":   {webSockets, string(masked(0x88, "\x03\xe8\xff")), edge.CodeText},
		"flood of pings":             {webSockets, strings.Repeat(string(masked(0x89, "")), 1000), edge.CodeRateLimited},
		"flood of empty fragments":   {webSockets, string(masked(0x02, "")) + strings.Repeat(string(masked(0x00, "")), 1000), edge.CodeRateLimited},
		"flood of pings in frames":   {streams, strings.Repeat("\x00\x00\x00\x01\x08", 1000), edge.CodeRateLimited},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			onEach(t, bad.on, c, func(t *testing.T, cl *client, conn carrier.Conn) {
				go refuse(t, conn)
				cl.raw([]byte(bad.sent))
				if code, reason := cl.farewell(); code != bad.want || reason == "" {
					t.Errorf("closed with %d, %q; not %d", code, reason, bad.want)
				}
			})
		})
	}
}

func TestPlainTextThatIsNotUTF8(t *testing.T) {
	t.Parallel()
	cl, conn := dialPlain(t, carrier.Config{})
	go refuse(t, conn)
	cl.raw(masked(0x01, "\xc3")) // a character may be cut by fragments
	cl.raw(masked(0x80, "\xa4"))
	cl.raw(masked(0x81, "\xc3"))
	if code, _ := cl.farewell(); code != edge.CodeText {
		t.Error(code)
	}
}

func TestFragmentsWithAPingBetween(t *testing.T) {
	t.Parallel()
	cl, conn := dialPlain(t, carrier.Config{})
	cl.raw(masked(0x01, "one "))
	cl.raw(masked(0x89, "ping"))
	cl.raw(masked(0x00, "two "))
	cl.raw(masked(0x80, "three"))
	mustRead(t, conn, edge.KindText, "one two three")
	cl.expect(0x8A, "ping")
}

// A client that dribbles does not hold memory or a session for ever, however
// often it pings.
func TestMessagesThatDoNotEnd(t *testing.T) {
	t.Parallel()
	for what, begun := range map[string]struct {
		on   map[string]dialer
		sent string
	}{
		"half a header":             {carriers(), "\x00"},
		"a header alone":            {webSockets(), string(masked(0x82, "x")[:6])},
		"half a payload":            {webSockets(), string(masked(0x82, "xxxx")[:8])},
		"one fragment and a ping":   {webSockets(), string(masked(0x02, "x")) + string(masked(0x89, ""))},
		"a frame without a payload": {streams(), "\x00\x00\x01\x00\x04"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			onEach(t, begun.on, carrier.Config{FrameTimeout: 50 * time.Millisecond, CloseTimeout: patience}, func(t *testing.T, cl *client, conn carrier.Conn) {
				go refuse(t, conn)
				cl.raw([]byte(begun.sent))
				if code, _ := cl.farewell(); code != edge.CodeIdle {
					t.Error(code)
				}
			})
		})
	}
}

func TestUpgradesThatAreRefused(t *testing.T) {
	t.Parallel()
	addr, _ := webSocketServer(t, carrier.Config{Origins: []string{"*.games.example", "other.example:8080"}})
	for request, want := range map[string]int{
		handshake("Origin: https://evil.example\r\n"):                                 http.StatusForbidden,
		handshake("Origin: null\r\n"):                                                 http.StatusForbidden,
		handshake("Origin: https://games.example\r\n"):                                http.StatusForbidden,
		handshake("Origin: https://evilgames.example\r\n"):                            http.StatusForbidden,
		handshake("Origin: https://other.example\r\n"):                                http.StatusForbidden,
		handshake("Origin: https://game.example\r\nOrigin: https://evil.example\r\n"): http.StatusForbidden,
		handshake("Origin: https://GAME.example\r\n"):                                 http.StatusSwitchingProtocols,
		handshake("Origin: https://a.b.games.example\r\n"):                            http.StatusSwitchingProtocols,
		handshake("Origin: http://other.example:8080\r\n"):                            http.StatusSwitchingProtocols,
		handshake("Sec-WebSocket-Extensions: permessage-deflate\r\n"):                 http.StatusSwitchingProtocols,
		"GET / HTTP/1.1\r\nHost: game.example\r\n\r\n":                                http.StatusBadRequest,
		strings.Replace(handshake(""), "Version: 13", "Version: 8", 1):                http.StatusUpgradeRequired,
		strings.Replace(handshake(""), "GET", "POST", 1):                              http.StatusMethodNotAllowed,
		strings.Replace(handshake(""), "Key: AAAA", "Key: A", 1):                      http.StatusBadRequest,
		strings.Replace(handshake(""), "Host: game.example\r\n", "Host: \r\n", 1):     http.StatusBadRequest,
		strings.Replace(handshake(""), "Connection: Upgrade", "Connection: close", 1): http.StatusBadRequest,
		strings.Replace(handshake(""), "Upgrade: websocket", "Upgrade: h2c", 1):       http.StatusBadRequest,
	} {
		socket, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		cl := newClient(t, socket)
		cl.raw([]byte(request))
		var got int
		if _, err := fmt.Fscanf(cl.in, "HTTP/1.1 %d", &got); err != nil || got != want {
			t.Errorf("%q is answered with %d, %v; not %d", request, got, err, want)
		}
	}
}

// What comes behind the request of an upgrade, before its answer, is kept if it
// is little.
func TestEarlyFrames(t *testing.T) {
	t.Parallel()
	addr, conns := webSocketServer(t, carrier.Config{})
	socket, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	cl := newClient(t, socket)
	cl.raw(append([]byte(handshake("")), masked(0x81, "early")...))
	mustRead(t, arrival(cl, conns), edge.KindText, "early")
}

func TestHandshakesOfTLSThatDoNotEnd(t *testing.T) {
	t.Parallel()
	server, _ := certificates(t)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", server)
	if err != nil {
		t.Fatal(err)
	}
	serveTCP(t, carrier.Config{HandshakeTimeout: 50 * time.Millisecond}, listener)
	socket, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	cl := newClient(t, socket)
	cl.raw([]byte("\x16"))
	if _, err := io.ReadAll(cl.in); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the socket is not closed")
	}
}
