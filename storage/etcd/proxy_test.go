package etcd_test

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mallee-io/mallee/storage"
)

// proxy stands between a store and its server, and harms their connections.
type proxy struct {
	listener net.Listener
	server   string

	mu    sync.Mutex
	links []*link // those that have not been cut
}

type link struct {
	client, server net.Conn
	deaf           atomic.Bool // drops what the server says
}

func startProxy(t *testing.T, server string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: listener, server: server}
	var accepting sync.WaitGroup
	accepting.Go(p.accept)
	t.Cleanup(func() {
		listener.Close()
		accepting.Wait()
		p.cut()
	})
	return p
}

func (p *proxy) address() string { return p.listener.Addr().String() }

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.server)
		if err != nil {
			client.Close()
			continue
		}
		l := &link{client: client, server: server}
		p.mu.Lock()
		p.links = append(p.links, l)
		p.mu.Unlock()
		go func() {
			_, _ = io.Copy(server, client)
			l.close()
		}()
		go func() {
			_, _ = io.Copy(l, server)
			l.close()
		}()
	}
}

// Write passes on what the server says.
func (l *link) Write(b []byte) (int, error) {
	if l.deaf.Load() {
		return len(b), nil
	}
	return l.client.Write(b)
}

func (l *link) close() {
	l.client.Close()
	l.server.Close()
}

// swallowAnswers lets requests through on the connections of now, and no
// answers.
func (p *proxy) swallowAnswers() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.links {
		l.deaf.Store(true)
	}
}

// cut ends the connections of now.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.links {
		l.close()
	}
	p.links = nil
}

// awaitRow waits until a row is there, of which no writer hears.
func awaitRow(t *testing.T, s storage.Store, key storage.Key) storage.Row {
	t.Helper()
	await(t, func() bool {
		_, err := s.Get(t.Context(), key)
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			t.Fatal(err)
		}
		return err == nil
	})
	row, err := s.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return row
}

// await asks again and again for what gives no signal.
func await(t *testing.T, reached func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !reached(); {
		if time.Now().After(deadline) {
			t.Fatal("it has not happened within a minute")
		}
	}
}
