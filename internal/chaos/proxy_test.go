package chaos_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/mallee-io/mallee/internal/chaos"
)

// patience is an upper bound for what a busy machine may take.
const patience = 30 * time.Second

var there, back = chaos.Link{From: "client", To: "server"}, chaos.Link{From: "server", To: "client"}

// echo is a server behind a proxy, for whom every dialer is "client".
type echo struct {
	links    *chaos.Links
	proxy    *chaos.Proxy
	accepted chan net.Conn
}

func startEcho(t *testing.T) *echo {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &echo{links: chaos.NewLinks(), accepted: make(chan net.Conn, 100)}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			e.accepted <- conn
			running.Go(func() {
				_, _ = io.Copy(conn, conn)
				_ = conn.Close()
			})
		}
	})
	e.proxy, err = chaos.NewProxy(chaos.ProxyConfig{
		Process: "server", Target: listener.Addr().String(), Links: e.links,
		Source: func(net.Addr) string { return "client" },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = e.proxy.Close()
		_ = listener.Close()
		running.Wait()
	})
	return e
}

func (e *echo) dial(t *testing.T) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", e.proxy.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn.(*net.TCPConn)
}

func say(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if _, err := conn.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

// hear reads exactly the text.
func hear(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	got := make([]byte, len(text))
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != text {
		t.Fatalf("%q, %v, want %q", got, err, text)
	}
}

// silent is a glance: what comes later is found by the hear that follows.
func silent(t *testing.T, conn net.Conn) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if n, err := conn.Read(make([]byte, 1)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("%d bytes came through a cut, %v", n, err)
	}
}

func TestProxyForwards(t *testing.T) {
	t.Parallel()
	e := startEcho(t)
	conn := e.dial(t)
	much := bytes.Repeat([]byte("0123456789abcdef"), 100_000)
	go func() {
		_, _ = conn.Write(much)
		_ = conn.CloseWrite()
	}()
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	if got, err := io.ReadAll(conn); err != nil || !bytes.Equal(got, much) {
		t.Fatalf("%d bytes came back, %v", len(got), err)
	}
}

func TestProxyCutsEachDirection(t *testing.T) {
	t.Parallel()
	for name, cut := range map[string][]chaos.Link{"there": {there}, "back": {back}, "both": {there, back}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := startEcho(t)
			conn := e.dial(t)
			say(t, conn, "one")
			hear(t, conn, "one")
			e.links.Cut(cut...)
			say(t, conn, "two")
			silent(t, conn)
			e.links.Heal(cut...)
			hear(t, conn, "two")
		})
	}
}

// One direction of a link says nothing about the other, nor about other links.
func TestProxyLeavesOtherLinksAlone(t *testing.T) {
	t.Parallel()
	e := startEcho(t)
	conn := e.dial(t)
	e.links.Cut(chaos.Link{From: "other", To: "server"}, chaos.Link{From: "server", To: "other"})
	say(t, conn, "one")
	hear(t, conn, "one")
	e.links.Cut(there)
	server := <-e.accepted
	say(t, server, "unasked") // what the server sends is not cut
	hear(t, conn, "unasked")
}

func TestProxyHoldsNewConnectionsBack(t *testing.T) {
	t.Parallel()
	e := startEcho(t)
	e.links.Cut(there)
	conn := e.dial(t)
	say(t, conn, "one")
	silent(t, conn)
	if len(e.accepted) != 0 {
		t.Fatal("the server was reached through a cut")
	}
	e.links.Heal(there)
	hear(t, conn, "one")
}

// The end of a connection does not get through a cut either.
func TestProxyHoldsTheEndBack(t *testing.T) {
	t.Parallel()
	e := startEcho(t)
	conn := e.dial(t)
	say(t, conn, "one")
	hear(t, conn, "one")
	e.links.Cut(back)
	_ = (<-e.accepted).Close()
	silent(t, conn)
	e.links.Heal(back)
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Fatalf("got %v", err)
	}
}

func TestProxySlowsDown(t *testing.T) {
	t.Parallel()
	e := startEcho(t)
	conn := e.dial(t)
	e.links.Slow(10*time.Millisecond, there, back)
	start := time.Now()
	say(t, conn, "one")
	hear(t, conn, "one")
	if took := time.Since(start); took < 20*time.Millisecond {
		t.Errorf("both ways took %v", took)
	}
	e.links.Slow(time.Hour, there)
	say(t, conn, "two")
	e.links.Heal(there, back) // also what waits
	hear(t, conn, "two")
}

func TestProxyOfAProcessThatIsGone(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
	proxy, err := chaos.NewProxy(chaos.ProxyConfig{
		Process: "server", Target: listener.Addr().String(), Links: chaos.NewLinks(), Source: func(net.Addr) string { return "" },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = proxy.Close() })
	conn, err := net.Dial("tcp", proxy.Addr())
	if err != nil {
		return // it was refused before Dial could return
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
}

// Close returns although connections wait in a cut; goroutines that were left
// would keep the echo from ending.
func TestProxyCloses(t *testing.T) {
	t.Parallel()
	e := startEcho(t)
	for range 10 {
		conn := e.dial(t)
		say(t, conn, "one")
		hear(t, conn, "one")
		e.links.Cut(there, back)
		say(t, conn, "two")
		say(t, e.dial(t), "three")
		e.links.Heal(back, there)
	}
	e.links.Cut(there, back)
	say(t, e.dial(t), "four")
	if err := e.proxy.Close(); err != nil {
		t.Fatal(err)
	}
}
