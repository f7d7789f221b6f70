package node_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/gateway/account"
	"github.com/mallee-io/mallee/internal/sessions"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/storage"
	"github.com/mallee-io/mallee/wire/koala"
)

// guild is an actor of clients: it greets them, and sends back what they say.
type guild struct {
	self *mallee.Self
	left chan<- string
}

var _ mallee.Client = (*guild)(nil)

func (g *guild) OnConnect(ctx context.Context, s mallee.Session, how mallee.Arrival) error {
	return g.self.Send(ctx, mallee.Text(s.User+" by "+string(how.Login)), s)
}

func (g *guild) OnMessage(ctx context.Context, s mallee.Session, m mallee.Message) error {
	if string(m.Data) == "bye" {
		return g.self.Kick(ctx, s, "bye")
	}
	return g.self.Send(ctx, m, s)
}

func (g *guild) OnDisconnect(_ context.Context, s mallee.Session, why mallee.DisconnectReason) error {
	g.left <- s.User + " " + why.String()
	return nil
}

// door binds each user to the guild of that name.
type door struct{}

func (door) Login(_ context.Context, l account.Login) (account.Admission, error) {
	return account.Admission{Actor: mallee.ID{Type: "Guild", Key: l.User}}, nil
}

// csharpGateway is a member that speaks as the original gateway does: it drops
// all connections that it accepts, and hears on those that it has dialled.
type csharpGateway struct {
	t     testing.TB
	id    int64
	conns []net.Conn
	got   chan told
}

type told struct {
	m    koala.Message
	body string
}

func startGateway(t testing.TB, cluster placement.Driver) *csharpGateway {
	t.Helper()
	listen, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	lease, err := cluster.Join(t.Context(), placement.Member{
		Name: "Gateway_9", Foreign: true, Addr: listen.Addr().String(), Types: []placement.Type{{Name: "IGateway", Interfaces: []string{"GatewayImpl"}}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var dropping sync.WaitGroup
	dropping.Go(func() {
		for {
			conn, err := listen.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	})
	t.Cleanup(func() {
		_ = listen.Close()
		dropping.Wait()
	})
	return &csharpGateway{t: t, id: int64(lease.ID), got: make(chan told, 64)}
}

// dial connects the gateway to a node.
func (g *csharpGateway) dial(addr string) {
	conn, err := net.Dial("tcp4", addr)
	if err != nil {
		g.t.Fatal(err)
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		_ = messages(conn, func(m koala.Message, body []byte) bool { // its end is what ends it
			switch m := m.(type) {
			case *koala.RequestHeartBeat, *koala.ResponseHeartBeat:
			case *koala.RPCRequest, *koala.RPCResponse:
				g.t.Errorf("a gateway was sent %+v", m)
			default:
				g.got <- told{m, string(body)}
			}
			return true
		})
	})
	g.t.Cleanup(func() {
		_ = conn.Close()
		reading.Wait()
	})
	g.conns = append(g.conns, conn)
	g.send(len(g.conns)-1, &koala.RequestHeartBeat{MilliSeconds: 1}, "")
}

func (g *csharpGateway) send(node int, m koala.Message, body string) {
	g.t.Helper()
	frame, err := koala.AppendAsGateway(nil, m, []byte(body))
	if err == nil {
		_, err = g.conns[node].Write(frame)
	}
	if err != nil {
		g.t.Fatal(err)
	}
}

func (g *csharpGateway) session(n int64) int64 {
	id, err := koala.SessionID(g.id, n)
	if err != nil {
		g.t.Fatal(err)
	}
	return id
}

func (g *csharpGateway) expect(session int64, want string) {
	g.t.Helper()
	got := soon(g.t, g.got)
	if m, ok := got.m.(*koala.RequestSendMessageToSession); !ok || m.SessionID != session || m.SessionIDs != nil || got.body != want {
		g.t.Errorf("got %+v with %q, want %q for %d", got.m, got.body, want, session)
	}
}

func soon[T any](t testing.TB, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(20 * time.Second):
		t.Fatal("nothing has come")
		panic("unreachable")
	}
}

// The original gateway in front of two nodes. It believes that all guilds live
// on the first; those of the second are reached through that, and send on their
// own.
func TestActorsBehindAKoalaGateway(t *testing.T) {
	t.Parallel()
	cluster, store, left := placement.Memory(time.Hour), storage.Memory(), make(chan string, 16)
	g := startGateway(t, cluster)
	var nodes []*node.Node
	for range 2 {
		n, err := node.Start(t.Context(), node.Config{
			Types: []mallee.Type{
				mallee.NewType(mallee.Interface{Name: "Guild"}, func(self *mallee.Self) any { return &guild{self, left} }),
				account.AccountsType(func(*mallee.Self) account.Accounts { return door{} }),
			},
			Store: store, Placement: cluster, Koala: true, Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = n.Stop(context.Background()) })
		nodes = append(nodes, n)
	}
	members, err := cluster.Members(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		for _, m := range members {
			if m.ID == n.ID() {
				g.dial(m.Addr)
			}
		}
	}
	const sessions = 8
	for i := range int64(sessions) {
		user, at := "user"+strconv.FormatInt(i, 10), g.session(i+1)
		g.send(0, &koala.RequestAccountLogin{OpenID: user, ServerID: 1, SessionID: at}, "login of "+user)
		got := soon(t, g.got).m
		if m, ok := got.(*koala.ResponseAccountLogin); !ok || *m != (koala.ResponseAccountLogin{SessionID: at, ActorType: "Guild", ActorID: user}) {
			t.Fatalf("login answered by %s %+v", got.TypeName(), got)
		}
		g.send(0, &koala.NotifyNewActorSession{OpenID: user, ActorType: "Guild", ActorID: user, SessionID: at}, "login of "+user)
		g.expect(at, user+" by login of "+user)
		for _, text := range []string{"one", "two", "three"} {
			g.send(0, &koala.NotifyNewActorMessage{ActorType: "Guild", ActorID: user, SessionID: at}, text)
			g.expect(at, text)
		}
	}
	if a, b := nodes[0].Stats().Activations, nodes[1].Stats().Activations; a == 0 || b == 0 {
		t.Errorf("all live on one node: %d and %d activations", a, b)
	}
	for i := range int64(sessions) {
		user, at := "user"+strconv.FormatInt(i, 10), g.session(i+1)
		if i%2 == 0 {
			g.send(0, &koala.NotifyActorSessionAborted{ActorType: "Guild", ActorID: user, SessionID: at}, "")
			if got := soon(t, left); got != user+" closed" {
				t.Errorf("got %q", got)
			}
			continue
		}
		g.send(0, &koala.NotifyNewActorMessage{ActorType: "Guild", ActorID: user, SessionID: at}, "bye")
		if m, ok := soon(t, g.got).m.(*koala.RequestCloseSession); !ok || m.SessionID != at {
			t.Errorf("kicked by %+v", m)
		}
	}
}

// orders is a gateway in the process of a node.
type orders struct{ push chan []byte }

func (o orders) Order(_ placement.NodeID, _ mallee.ID, name string, body []byte) {
	if name == sessions.OrderPush {
		o.push <- body
	}
}
func (orders) Answer(context.Context, placement.NodeID, string, []byte) ([]byte, error) {
	return nil, errors.New("nobody asks")
}
func (orders) Lost(placement.NodeID)    {}
func (orders) Renamed(placement.NodeID) {}
func (orders) Missing(placement.NodeID) {}

// The sample of the original: an account on the host binds the client to an
// actor there, which sends back what it gets.
func TestGatewayInFrontOfAKoalaHost(t *testing.T) {
	t.Parallel()
	h, nodes, addrs := koalaCluster(t, 1)
	n := nodes[0]
	o := orders{push: make(chan []byte, 16)}
	if _, err := n.AttachGateway(o); err != nil {
		t.Fatal(err)
	}
	own, err := net.Dial("tcp4", addrs[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = own.Close() })
	h.send(own, &koala.RequestHeartBeat{MilliSeconds: 1}, nil)
	h.gateway = func(conn net.Conn, m koala.Message, body []byte) {
		switch m := m.(type) {
		case *koala.RequestAccountLogin:
			h.send(conn, &koala.ResponseAccountLogin{SessionID: m.SessionID, ActorType: "Room", ActorID: m.OpenID}, nil)
		case *koala.NotifyNewActorSession:
			h.send(own, &koala.RequestSendMessageToSession{SessionID: m.SessionID}, []byte("token of "+m.OpenID+" at "+strconv.FormatInt(m.ServerID, 10)))
		case *koala.NotifyNewActorMessage:
			h.send(own, &koala.RequestSendMessageToSession{SessionID: m.SessionID}, body)
		}
	}
	s := mallee.Session{ID: uint64(n.ID())*10_000_000_000 + 1, At: uint64(n.ID())*10_000_000_000 + 1, User: "ann"}
	packet := []byte(`{"open_id":"ann","server_id":3}`)
	who, err := account.AccountsAt(n, mallee.ID{Type: "Leaderboard", Key: "7"}).Login(t.Context(), account.Login{User: "ann", Server: 3, Packet: packet, Session: s.At})
	if err != nil || who.Actor != (mallee.ID{Type: "Room", Key: "ann"}) {
		t.Fatalf("%+v, %v", who, err)
	}
	room := sessions.MalleeSessionsAt(sessions.Through(n), who.Actor)
	if _, err := room.Connect(t.Context(), s, mallee.Arrival{Login: packet, Server: 3}, false); err != nil {
		t.Fatal(err)
	}
	if err := room.Message(t.Context(), s.ID, mallee.Text("hello")); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"token of ann at 3", "hello"} {
		var push sessions.Push
		if err := push.Parse(soon(t, o.push)); err != nil || len(push.Sessions) != 1 || push.Sessions[0] != s.At || string(push.Message.Data) != want {
			t.Errorf("%+v, %v", push, err)
		}
	}
	if err := room.Disconnect(t.Context(), s, mallee.DisconnectClosed); err != nil {
		t.Error(err)
	}
	if err := room.Message(t.Context(), s.ID, mallee.Text("late")); !errors.Is(err, sessions.ErrDetached) {
		t.Errorf("after the end: %v", err)
	}
}
