package ingress_test

import (
	"bytes"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mallee-io/mallee/sidecar/internal/ingress"
)

// accepted is both ends of a connection: the client's, and what the server has
// of it. Underneath is over, or a pipe.
func accepted(t *testing.T, over net.Conn) (server net.Conn) {
	t.Helper()
	all := make(pipes, 1)
	all <- over
	server, err := ingress.Listen(all).Accept()
	if err != nil {
		t.Fatal(err)
	}
	return server
}

// slow is a connection whose writes wait to be let through.
type slow struct {
	net.Conn
	begun   chan []byte
	through chan struct{}
}

func (s slow) Write(p []byte) (int, error) {
	s.begun <- bytes.Clone(p)
	<-s.through
	return len(p), nil
}

func (s slow) SetWriteDeadline(time.Time) error { return nil }

// What is written while a write is under way is written together.
func TestWritesGather(t *testing.T) {
	t.Parallel()
	_, pipe := net.Pipe()
	under := slow{pipe, make(chan []byte), make(chan struct{})}
	c := accepted(t, under)
	for _, part := range []string{"headers", "message", "trailers"} {
		if n, err := io.WriteString(c, part); n != len(part) || err != nil {
			t.Fatal(n, err)
		}
		if part == "headers" {
			if got := <-under.begun; string(got) != part {
				t.Errorf("%q is written", got)
			}
		}
	}
	under.through <- struct{}{}
	if got := <-under.begun; string(got) != "messagetrailers" {
		t.Errorf("then %q", got)
	}
	under.through <- struct{}{}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// counted counts the reads.
type counted struct {
	net.Conn
	reads int
}

func (c *counted) Read(p []byte) (int, error) {
	c.reads++
	return c.Conn.Read(p)
}

func TestReadsGoAhead(t *testing.T) {
	t.Parallel()
	client, pipe := net.Pipe()
	under := &counted{Conn: pipe}
	c := accepted(t, under)
	go func() { _, _ = client.Write(make([]byte, 100)) }()
	for range 100 {
		if _, err := c.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if under.reads != 1 {
		t.Errorf("100 bytes took %d reads", under.reads)
	}
	_ = c.Close()
}

// All that is written before the end arrives, whichever end it is.
func TestNothingIsLostAtTheEnd(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(net.Conn) error{
		"close": net.Conn.Close,
		"half":  func(c net.Conn) error { return c.(interface{ CloseWrite() error }).CloseWrite() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = listener.Close() }()
			client, err := net.Dial("tcp", listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			c, err := ingress.Listen(listener).Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			said := bytes.Repeat([]byte("0123456789"), 20_000)
			ended := make(chan error, 1)
			go func() {
				_, err := c.Write(said)
				if err == nil {
					err = end(c)
				}
				ended <- err
			}()
			heard, err := io.ReadAll(client)
			if err != nil || !bytes.Equal(heard, said) {
				t.Errorf("%d of %d bytes, %v", len(heard), len(said), err)
			}
			if err := <-ended; err != nil {
				t.Error(err)
			}
			if _, err := c.Write(said); name == "close" && err == nil {
				t.Error("written after the end")
			}
		})
	}
}

// A client that takes nothing makes writes wait, and is disconnected.
func TestStalledClientIsLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, pipe := net.Pipe()
		c := accepted(t, pipe)
		begin := time.Now()
		if n, err := c.Write(make([]byte, 1<<20)); err == nil || n == 1<<20 {
			t.Errorf("%d bytes are written: %v", n, err)
		}
		if took := time.Since(begin); took != time.Minute {
			t.Errorf("after %v", took)
		}
		if _, err := client.Read(make([]byte, 1)); err != io.EOF {
			t.Error("the client is still connected:", err)
		}
	})
}

// One that takes a byte now and then is not.
func TestSlowClientIsServed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, pipe := net.Pipe()
		c := accepted(t, pipe)
		if _, err := c.Write(make([]byte, 5)); err != nil {
			t.Fatal(err)
		}
		for range 5 {
			time.Sleep(50 * time.Second)
			if _, err := client.Read(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
		}
		_ = c.Close()
	})
}

// Close does not wait for a client that takes nothing, and soon gives it up.
func TestCloseIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, pipe := net.Pipe()
		c := accepted(t, pipe)
		if _, err := c.Write([]byte("nobody reads this")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		begin := time.Now()
		if err := c.Close(); err != nil || time.Since(begin) != 0 {
			t.Error(err, time.Since(begin))
		}
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("read after Close")
		}
		if took := time.Since(begin); took != time.Second {
			t.Error("given up after", took)
		}
		_ = client.Close()
	})
}
