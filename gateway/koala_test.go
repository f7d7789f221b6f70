package gateway_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/mallee-io/mallee/gateway"
	"github.com/mallee-io/mallee/gateway/login"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/wire"
	"github.com/mallee-io/mallee/wire/edge"
	"github.com/mallee-io/mallee/wire/koala"
)

// sampleHost is a host of Koala as its sample is: an account binds all clients
// to IPlayer/1, which greets each session and sends back what it gets.
type sampleHost struct {
	t      *testing.T
	id     placement.NodeID
	listen net.Listener
	heard  chan koala.Message // what the gateway has said

	mu    sync.Mutex
	own   net.Conn // dialled by the host
	conns []net.Conn
}

func startSampleHost(t *testing.T, cluster placement.Driver) *sampleHost {
	t.Helper()
	listen, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	lease, err := cluster.Join(t.Context(), placement.Member{Name: "host", Foreign: true, Addr: listen.Addr().String(), Types: []placement.Type{
		{Name: "IAccount", Interfaces: []string{"EmptyAccount"}}, {Name: "IPlayer", Interfaces: []string{"Player"}},
	}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	h := &sampleHost{t: t, id: lease.ID, listen: listen, heard: make(chan koala.Message, 64)}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listen.Accept()
			if err != nil {
				return
			}
			h.mu.Lock()
			h.conns = append(h.conns, conn)
			h.mu.Unlock()
			running.Go(func() { h.serve(conn) })
		}
	})
	t.Cleanup(func() {
		h.die()
		running.Wait()
	})
	return h
}

// dial is what a host does with each member.
func (h *sampleHost) dial(addr string) {
	conn, err := net.Dial("tcp4", addr)
	if err != nil {
		h.t.Fatal(err)
	}
	h.mu.Lock()
	h.own = conn
	h.mu.Unlock()
	h.send(conn, &koala.RequestHeartBeat{MilliSeconds: time.Now().UnixMilli()}, nil)
	go func() { _, _ = io.Copy(io.Discard, conn) }() // until die
}

func (h *sampleHost) die() {
	h.mu.Lock()
	defer h.mu.Unlock()
	_ = h.listen.Close()
	for _, conn := range h.conns {
		_ = conn.Close()
	}
	if h.own != nil {
		_ = h.own.Close()
	}
}

func (h *sampleHost) send(conn net.Conn, m koala.Message, body []byte) {
	frame, err := koala.Append(nil, m, body)
	if err != nil {
		h.t.Error(err)
	}
	_, _ = conn.Write(frame) // who reads sees the end
}

func (h *sampleHost) serve(conn net.Conn) {
	var buf []byte
	for chunk := make([]byte, 1024); ; {
		meta, body, rest, complete, err := wire.ParseFrame(buf)
		if err != nil {
			h.t.Error(err)
			return
		}
		if !complete {
			n, err := conn.Read(chunk)
			if buf = append(buf, chunk[:n]...); err != nil {
				return
			}
			continue
		}
		m, err := koala.Parse(meta)
		if err != nil {
			h.t.Error(err)
			return
		}
		h.take(conn, m, body)
		buf = rest
	}
}

func (h *sampleHost) take(conn net.Conn, m koala.Message, body []byte) {
	h.mu.Lock()
	own := h.own
	h.mu.Unlock()
	switch m := m.(type) {
	case *koala.RequestHeartBeat:
		h.send(conn, &koala.ResponseHeartBeat{MilliSeconds: m.MilliSeconds}, nil)
		return
	case *koala.RequestAccountLogin:
		h.send(conn, &koala.ResponseAccountLogin{SessionID: m.SessionID, ActorType: "IPlayer", ActorID: "1"}, nil)
	case *koala.NotifyNewActorSession:
		h.send(own, &koala.RequestSendMessageToSession{SessionID: m.SessionID}, []byte("token of "+m.OpenID))
	case *koala.NotifyNewActorMessage:
		h.send(own, &koala.RequestSendMessageToSession{SessionID: m.SessionID}, body)
	}
	h.heard <- m
}

// hears waits for a message of the gateway.
func hears[T koala.Message](h *sampleHost) T {
	h.t.Helper()
	select {
	case m := <-h.heard:
		if want, ok := m.(T); ok {
			return want
		}
		h.t.Fatalf("the host hears %s %+v", m.TypeName(), m)
	case <-time.After(20 * time.Second):
		h.t.Fatal("the host hears nothing")
	}
	panic("unreachable")
}

// The client of Koala's sample, unchanged, with its actor on a host of Koala:
// while that host lives, and when another one gets the actor.
func TestKoalaClientAndHost(t *testing.T) {
	t.Parallel()
	cluster := placement.Memory(time.Hour)
	first := startSampleHost(t, cluster)
	n, err := node.Start(t.Context(), node.Config{Placement: cluster, Koala: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Stop(context.Background()) })
	var addr string
	members, err := cluster.Members(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range members {
		if m.ID == n.ID() {
			addr = m.Addr
		}
	}
	first.dial(addr)
	g := open(t, n, func(c *gateway.Config) {
		if c.Login, err = login.NewKoala(login.KoalaConfig{Key: "1234567890", Accounts: "IAccount", Caller: n}); err != nil {
			t.Fatal(err)
		}
		c.Log = slog.New(slog.DiscardHandler)
	})
	c := dial(t, g, false)
	c.send(edge.KindBinary, `{"open_id": "open_id_1", "server_id": 1, "check_sum": "72c542a6d2c844234842196c3212c3ec2ad5aaaed4f00be88f34693cfcf17cd4"}`)
	asked := hears[*koala.RequestAccountLogin](first)
	if asked.OpenID != "open_id_1" || asked.ServerID != 1 || koala.SessionServer(asked.SessionID) != int64(n.ID()) {
		t.Errorf("login %+v", asked)
	}
	if s := hears[*koala.NotifyNewActorSession](first); *s != (koala.NotifyNewActorSession{OpenID: "open_id_1", ServerID: 1, ActorType: "IPlayer", ActorID: "1", SessionID: asked.SessionID}) {
		t.Errorf("session %+v", s)
	}
	expect := func(want string) {
		t.Helper()
		if f := c.next(); f.Kind != edge.KindBinary || string(f.Data) != want {
			t.Errorf("the client gets %q instead of %q", f.Data, want)
		}
	}
	expect("token of open_id_1")
	for _, text := range []string{"1", "12", "1234567890qwer"} {
		c.say(text)
		hears[*koala.NotifyNewActorMessage](first)
		expect(text)
	}

	second := startSampleHost(t, cluster)
	second.dial(addr)
	first.die()
	if err := cluster.Leave(t.Context(), first.id); err != nil {
		t.Fatal(err)
	}
	if s := hears[*koala.NotifyNewActorSession](second); s.SessionID != asked.SessionID || s.OpenID != "open_id_1" {
		t.Errorf("announced again: %+v", s)
	}
	expect("token of open_id_1")
	c.say("still here")
	hears[*koala.NotifyNewActorMessage](second)
	expect("still here")
	c.leave(edge.CodeNormal)
	if s := hears[*koala.NotifyActorSessionAborted](second); s.SessionID != asked.SessionID {
		t.Errorf("ended: %+v", s)
	}
}
