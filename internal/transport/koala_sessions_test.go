package transport_test

import (
	"context"
	"encoding/hex"
	"errors"
	"net"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/gateway/account"
	"github.com/mallee-io/mallee/internal/sessions"
	"github.com/mallee-io/mallee/internal/transport"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/wire/koala"
)

// Frames of gateways and their hosts, from the specification of their protocol.
// The session is the seventh of gateway 2.
const (
	messageFrame  = "4b4f4c416100000005000000154e6f746966794e65774163746f724d6573736167657b2273657373696f6e5f6964223a32303030303030303030372c226163746f725f74797065223a2249506c61796572222c226163746f725f6964223a2231222c227472616365223a22227d68656c6c6f"
	pushFrame     = "4b4f4c4149000000040000001b5265717565737453656e644d657373616765546f53657373696f6e7b2273657373696f6e5f696473223a6e756c6c2c2273657373696f6e5f6964223a32303030303030303030377d00ff6869"
	loginFrame    = "4b4f4c414a0000008000000013526571756573744163636f756e744c6f67696e7b226f70656e5f6964223a2231222c227365727665725f6964223a322c2273657373696f6e5f6964223a32303030303030303030377d7b226f70656e5f6964223a2231222c227365727665725f6964223a322c2274696d657374616d70223a313231323132312c22636865636b5f73756d223a2232623363326334353035663732656463636261653661636362646536663132393365376338613339663235303861303332656162363136343032626261633362227d"
	admittedFrame = "4b4f4c41550000000000000014526573706f6e73654163636f756e744c6f67696e7b2273657373696f6e5f6964223a32303030303030303030372c226163746f725f74797065223a2249506c61796572222c226163746f725f6964223a2231227d"
	sessionFrame  = "4b4f4c417200000080000000154e6f746966794e65774163746f7253657373696f6e7b226163746f725f74797065223a2249506c61796572222c226163746f725f6964223a2231222c2273657373696f6e5f6964223a32303030303030303030372c226f70656e5f6964223a2231222c227365727665725f6964223a337d7b226f70656e5f6964223a2231222c227365727665725f6964223a322c2274696d657374616d70223a313231323132312c22636865636b5f73756d223a2232623363326334353035663732656463636261653661636362646536663132393365376338613339663235303861303332656162363136343032626261633362227d"
	abortedFrame  = "4b4f4c415a00000000000000194e6f746966794163746f7253657373696f6e41626f727465647b2273657373696f6e5f6964223a32303030303030303030372c226163746f725f74797065223a2249506c61796572222c226163746f725f6964223a2231227d"
	firstPacket   = `{"open_id":"1","server_id":2,"timestamp":1212121,"check_sum":"2b3c2c4505f72edccbae6accbde6f1293e7c8a39f2508a032eab616402bbac3b"}`
)

var (
	player  = mallee.ID{Type: "IPlayer", Key: "1"}
	session = mallee.Session{ID: 20000000007, At: 20000000007, User: "1"}
)

// exactly reads a frame, behind heartbeats, that has to be this one.
func (p *pythonHost) exactly(want string) {
	p.t.Helper()
	beat := hex.EncodeToString(raw(p.t, heartbeatFrame)[12:29])
	got := hex.EncodeToString(p.frame())
	for strings.Contains(got, beat) {
		got = hex.EncodeToString(p.frame())
	}
	if got != want {
		p.t.Errorf("got\n%s instead of\n%s", got, want)
	}
}

// addressed is a connection from a host's address.
type addressed struct{ net.Conn }

func (addressed) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 40000} }

// dialsIn is the connection of a host at 127.0.0.1.
func (n *talker) dialsIn() *pythonHost {
	n.t.Helper()
	ours, theirs := net.Pipe()
	if err := n.koala.Accept(addressed{ours}); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { _ = theirs.Close() })
	return &pythonHost{theirs, n.t}
}

// gatewayOf is the gateway of a node's process: it calls actors of host 77, and
// gets orders.
type gatewayOf struct {
	*talker
	calls  uint64
	reply  chan received
	orders chan received
}

func newGateway(t testing.TB, config transport.KoalaConfig) *gatewayOf {
	t.Helper()
	g := &gatewayOf{reply: make(chan received, 64), orders: make(chan received, 64)}
	g.talker = newTalker(t, config)
	g.receive = func(from placement.NodeID, m *transport.Message) {
		if m.Kind == transport.Edge {
			g.orders <- received{from, m}
			return
		}
		g.reply <- received{from, m}
	}
	if _, err := g.koala.Speaks(t.Context(), 77, "MalleeSessions"); err != nil {
		t.Fatal(err)
	}
	return g
}

func (g *gatewayOf) begin(id mallee.ID, call mallee.Call) error {
	body, err := call.AppendArgs(nil)
	if err != nil {
		g.t.Fatal(err)
	}
	m := &transport.Message{Kind: transport.Request, Actor: id, Interface: call.Interface(), Method: call.Method(), Timeout: patience, Body: body}
	if call.Flags()&mallee.OneWay == 0 {
		g.calls++
		m.Call = g.calls
	}
	return g.Send(nodeID, 77, m)
}

func (g *gatewayOf) Invoke(_ context.Context, id mallee.ID, call mallee.Call) error {
	err := g.begin(id, call)
	if err != nil || call.Flags()&mallee.OneWay != 0 {
		return err
	}
	m := next(g.t, g.reply, "answer")
	switch {
	case m.from != 77 || m.Call != g.calls:
		g.t.Errorf("answer %+v from %s", m.Message, m.from)
	case m.Error != nil:
		return m.Error
	}
	return call.DecodeResults(m.Body)
}

func (g *gatewayOf) actor() sessions.MalleeSessionsRef { return sessions.MalleeSessionsAt(g, player) }

func (g *gatewayOf) order(name string) received {
	g.t.Helper()
	m := next(g.t, g.orders, name)
	if m.Method != name || m.Actor != (mallee.ID{}) || m.Call != 0 {
		g.t.Errorf("got %+v, want %s", m.Message, name)
	}
	return m
}

// login asks for an account without waiting for the answer.
func (g *gatewayOf) login() <-chan error {
	g.t.Helper()
	done := make(chan error, 1)
	go func() {
		a, err := account.AccountsAt(g, mallee.ID{Type: "IAccount", Key: "5"}).Login(context.Background(),
			account.Login{User: "1", Server: 2, Packet: []byte(firstPacket), Session: session.At})
		if err == nil && a.Actor != player {
			err = errors.New("bound to " + a.Actor.String())
		}
		done <- err
	}()
	return done
}

// The whole life of a session at an unmodified host, byte for byte.
func TestSessionAtAKoalaHost(t *testing.T) {
	t.Parallel()
	g := newGateway(t, transport.KoalaConfig{})
	login := g.login()
	out := g.dials()
	out.exactly(loginFrame)
	out.write(raw(t, admittedFrame))
	if err := next(t, login, "login"); err != nil {
		t.Error(err)
	}

	in := g.dialsIn()
	host, err := g.actor().Connect(t.Context(), session, mallee.Arrival{Login: []byte(firstPacket), Server: 2}, false)
	if err != nil || host.Node != 77 || host.Epoch == 0 {
		t.Errorf("connected: %+v, %v", host, err)
	}
	// What the original sends for server_id is of no use to anybody.
	out.exactly(hex.EncodeToString([]byte(strings.Replace(string(raw(t, sessionFrame)), `"server_id":3`, `"server_id":2`, 1))))

	in.write(raw(t, pushFrame))
	var push sessions.Push
	if err := push.Parse(g.order(sessions.OrderPush).Body); err != nil || !reflect.DeepEqual(push, sessions.Push{Sessions: []uint64{session.At}, Message: mallee.Binary([]byte("\x00\xffhi"))}) {
		t.Errorf("push %+v, %v", push, err)
	}
	if err := g.actor().Message(t.Context(), session.ID, mallee.Text("hello")); err != nil {
		t.Error(err)
	}
	out.exactly(messageFrame)
	if err := g.actor().Moved(t.Context(), []sessions.Relocation{{From: session.At}}); err != nil { // hosts have no word for it
		t.Error(err)
	}
	if err := g.actor().Disconnect(t.Context(), session, mallee.DisconnectClosed); err != nil {
		t.Error(err)
	}
	out.exactly(abortedFrame)

	if err := g.actor().Message(t.Context(), session.ID, mallee.Text("late")); !errors.Is(err, sessions.ErrDetached) || !mallee.SafeToRetry(err) {
		t.Errorf("a message after the end: %v", err)
	}
	quick := mallee.Session{ID: 20000000008, At: 10000000001, User: "open_id_2"} // has come by another gateway
	if _, err := g.actor().Connect(t.Context(), quick, mallee.Arrival{Server: 2}, false); err != nil {
		t.Error(err)
	}
	if m, body := after[*koala.NotifyNewActorSession](out); *m != (koala.NotifyNewActorSession{OpenID: "open_id_2", ServerID: 2, ActorType: "IPlayer", ActorID: "1", SessionID: 10000000001}) || len(body) != 0 {
		t.Errorf("quick connect: %+v, %q", m, body)
	}
	if err := g.actor().Message(t.Context(), quick.ID, mallee.Binary(nil)); err != nil {
		t.Error(err)
	}
	if m, _ := after[*koala.NotifyNewActorMessage](out); m.SessionID != 10000000001 {
		t.Errorf("a message of a session that has moved: %+v", m)
	}
}

func TestOrdersOfAKoalaHost(t *testing.T) {
	t.Parallel()
	g := newGateway(t, transport.KoalaConfig{})
	in := g.dialsIn()
	in.send(&koala.RequestSendMessageToSession{SessionIDs: []int64{10000000009, 0, -5, 10000000003}}, []byte("all"))
	in.send(&koala.RequestSendMessageToSession{SessionIDs: []int64{1}, SessionID: 10000000002}, []byte("one"))
	in.send(&koala.RequestSendMessageToSession{}, []byte("none"))
	in.send(&koala.RequestCloseSession{SessionID: 10000000003, ActorType: "IPlayer"}, nil)
	in.send(&koala.ResponseAccountLogin{SessionID: 10000000003, ActorType: "IPlayer", ActorID: "7"}, nil) // a second answer
	in.send(&koala.ResponseAccountLogin{SessionID: 10000000003}, nil)
	in.send(&koala.RequestCloseSession{SessionID: 10000000004}, nil)
	for _, want := range []sessions.Push{
		{Sessions: []uint64{10000000009, 10000000003}, Message: mallee.Binary([]byte("all"))},
		{Sessions: []uint64{10000000002}, Message: mallee.Binary([]byte("one"))},
	} {
		var got sessions.Push
		if err := got.Parse(g.order(sessions.OrderPush).Body); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("push %+v, %v", got, err)
		}
	}
	var kick sessions.Kick
	if err := kick.Parse(g.order(sessions.OrderKick).Body); err != nil || kick.Sessions[0] != 10000000003 || kick.Reason != mallee.DisconnectKicked || kick.Why == "" {
		t.Errorf("kick %+v, %v", kick, err)
	}
	var bind sessions.Bind
	if err := bind.Parse(g.order(sessions.OrderBind).Body); err != nil || bind != (sessions.Bind{Session: 10000000003, To: mallee.ID{Type: "IPlayer", Key: "7"}}) {
		t.Errorf("bind %+v, %v", bind, err)
	}
	g.order(sessions.OrderKick)
}

func TestLoginsAtAKoalaHost(t *testing.T) {
	t.Parallel()
	g := newGateway(t, transport.KoalaConfig{Calls: 1})
	login := g.login()
	out := g.dials()
	after[*koala.RequestAccountLogin](out)
	in := g.dialsIn()
	in.send(&koala.RequestCloseSession{SessionID: int64(session.At)}, nil) // the only way to say no
	if err := next(t, login, "login"); err == nil || !strings.Contains(err.Error(), "login_refused") {
		t.Errorf("refused: %v", err)
	}
	login = g.login()
	after[*koala.RequestAccountLogin](out)
	in.send(&koala.ResponseAccountLogin{SessionID: int64(session.At)}, nil)
	if err := next(t, login, "login"); !errors.Is(err, mallee.ErrInvalid) {
		t.Errorf("no actor: %v", err)
	}

	var bind sessions.Bind
	login = g.login()
	after[*koala.RequestAccountLogin](out)
	other := account.Login{User: "2", Session: 9}
	if _, err := account.AccountsOf(g, "5").Login(t.Context(), other); !errors.Is(err, mallee.ErrOverloaded) || !mallee.SafeToRetry(err) {
		t.Errorf("too many: %v", err)
	}
	g.reply <- received{77, &transport.Message{Kind: transport.Reply, Call: g.calls, Error: mallee.ErrTimeout}} // as the node gives it up
	next(t, login, "timeout")
	if err := g.Send(nodeID, 77, &transport.Message{Kind: transport.Cancel, Call: g.calls - 1}); err != nil {
		t.Error(err)
	}
	out.write(raw(t, admittedFrame)) // too late: it may bind the session even so
	if err := bind.Parse(g.order(sessions.OrderBind).Body); err != nil || bind != (sessions.Bind{Session: session.At, To: player}) {
		t.Errorf("bind %+v, %v", bind, err)
	}
	login = g.login()
	after[*koala.RequestAccountLogin](out)
	_ = out.Close()
	next(t, g.lost, "loss")
	g.reply <- received{77, &transport.Message{Kind: transport.Reply, Call: g.calls, Error: mallee.ErrUnavailable}} // as the node fails it
	next(t, login, "failure")
	in.write(raw(t, admittedFrame))
	g.order(sessions.OrderBind)
	if _, err := account.AccountsOf(g, "5").Login(t.Context(), account.Login{User: "1"}); !errors.Is(err, mallee.ErrInvalid) {
		t.Errorf("a login without a session: %v", err)
	}
}

// An actor of a host sends on the connection that the host has dialled when it
// is told of a session, or never.
func TestSessionsWaitForAKoalaHostToDialIn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGateway(t, transport.KoalaConfig{})
		begin := time.Now()
		connected := func() <-chan error {
			done := make(chan error, 1)
			go func() {
				_, err := g.actor().Connect(context.Background(), session, mallee.Arrival{Login: []byte(firstPacket), Server: 2}, false)
				done <- err
			}()
			return done
		}
		connect := connected()
		out := g.dials()
		go func() {
			time.Sleep(3 * time.Second)
			g.dialsIn()
		}()
		if err := <-connect; err != nil || time.Since(begin) != 3*time.Second {
			t.Errorf("announced after %v: %v", time.Since(begin), err)
		}
		after[*koala.NotifyNewActorSession](out)
	})
	synctest.Test(t, func(t *testing.T) { // one that never does is told even so
		g := newGateway(t, transport.KoalaConfig{})
		begin := time.Now()
		connect := make(chan error, 1)
		go func() {
			_, err := g.actor().Connect(context.Background(), session, mallee.Arrival{}, false)
			connect <- err
		}()
		out := g.dials()
		go func() {
			for {
				if _, err := out.Read(make([]byte, 1024)); err != nil {
					return
				}
			}
		}()
		if err := <-connect; err != nil || time.Since(begin) != transport.DefaultKoalaDialIn {
			t.Errorf("announced after %v: %v", time.Since(begin), err)
		}
	})
}

// When the host's own connection ends, its actors send to nobody until they are
// told of their sessions again: before anything else, and when it is back.
func TestSessionsAreAnnouncedAgainToAKoalaHost(t *testing.T) {
	t.Parallel()
	g := newGateway(t, transport.KoalaConfig{DialIn: patience})
	in := g.dialsIn()
	connect := make(chan error, 1)
	go func() {
		_, err := g.actor().Connect(context.Background(), session, mallee.Arrival{Login: []byte(firstPacket), Server: 2}, false)
		connect <- err
	}()
	out := g.dials()
	first, _ := after[*koala.NotifyNewActorSession](out)
	if err := next(t, connect, "answer"); err != nil {
		t.Fatal(err)
	}
	_ = in.Close()
	next(t, g.lost, "loss")
	sent := make(chan error, 1)
	go func() { sent <- g.actor().Message(context.Background(), session.ID, mallee.Text("hello")) }()
	g.dialsIn()
	if again, login := after[*koala.NotifyNewActorSession](out); *again != *first || string(login) != firstPacket {
		t.Errorf("announced again: %+v, %q", again, login)
	}
	out.exactly(messageFrame)
	if err := next(t, sent, "answer"); err != nil {
		t.Error(err)
	}
	_ = out.Close() // with what was on its way
	next(t, g.lost, "loss")
	go func() { sent <- g.actor().Message(context.Background(), session.ID, mallee.Text("hello")) }()
	out = g.dials()
	if again, _ := after[*koala.NotifyNewActorSession](out); *again != *first {
		t.Errorf("announced again: %+v", again)
	}
	out.exactly(messageFrame)
	if err := next(t, sent, "answer"); err != nil {
		t.Error(err)
	}
}

// An actor of Koala forgets its session whichever ends: it must not hear that an
// older one of the user has.
func TestReplacedSessionsAtAKoalaHost(t *testing.T) {
	t.Parallel()
	g := newGateway(t, transport.KoalaConfig{})
	g.dialsIn()
	at := func(n uint64, user string) mallee.Session {
		return mallee.Session{ID: 10000000000 + n, At: 10000000000 + n, User: user}
	}
	connect := func(s mallee.Session, alone bool) {
		t.Helper()
		if _, err := g.actor().Connect(t.Context(), s, mallee.Arrival{}, alone); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range []mallee.Session{at(1, "ann"), at(2, "bob"), at(3, "ann")} {
		connect(s, false)
	}
	out := g.dials()
	for range 3 {
		after[*koala.NotifyNewActorSession](out)
	}
	connect(at(4, "ann"), true)
	after[*koala.NotifyNewActorSession](out)
	var kick sessions.Kick
	if err := kick.Parse(g.order(sessions.OrderKick).Body); err != nil || !reflect.DeepEqual(kick.Sessions, []uint64{10000000001, 10000000003}) || kick.Reason != mallee.DisconnectReplaced {
		t.Errorf("replaced: %+v, %v", kick, err)
	}
	moved := at(4, "ann")
	moved.At = 30000000001 // it has come back by another gateway
	connect(moved, false)
	after[*koala.NotifyNewActorSession](out)
	for _, s := range []mallee.Session{at(1, "ann"), at(4, "ann"), at(3, "ann"), at(2, "bob"), moved} {
		if err := g.actor().Disconnect(t.Context(), s, mallee.DisconnectLost); err != nil {
			t.Error(err)
		}
	}
	for _, want := range []int64{10000000002, 30000000001} {
		if m, _ := after[*koala.NotifyActorSessionAborted](out); m.SessionID != want {
			t.Errorf("told that %d has ended", m.SessionID)
		}
	}
}

func TestGatewayCallsThatAKoalaHostCannotTake(t *testing.T) {
	t.Parallel()
	g := newGateway(t, transport.KoalaConfig{})
	for want, m := range map[*mallee.Error]*transport.Message{
		mallee.ErrNotFound: {Kind: transport.Request, Actor: player, Interface: "MalleeSessions", Method: "Dance", Timeout: patience},
		mallee.ErrInvalid:  {Kind: transport.Request, Actor: player, Interface: "MalleeSessions", Method: "Connect", Timeout: patience, Body: []byte{0xc1}},
	} {
		if err := g.Send(nodeID, 77, m); !errors.Is(err, want) || !mallee.SafeToRetry(err) {
			t.Errorf("%s: %v", m.Method, err)
		}
	}
	if err := g.Send(nodeID, 77, &transport.Message{Kind: transport.Edge, Method: sessions.OrderPush}); !errors.Is(err, mallee.ErrInvalid) {
		t.Errorf("a host is taken for a gateway: %v", err)
	}
	g.hosts.set(errors.New("refused"), g.hosts.members...)
	if _, err := g.actor().Connect(t.Context(), session, mallee.Arrival{}, false); !errors.Is(err, mallee.ErrUnavailable) || !mallee.SafeToRetry(err) {
		t.Errorf("a host that is not reached: %v", err)
	}
	g.hosts.set(nil, g.hosts.members...)
}
