package transport_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/gateway/account"
	"github.com/mallee-io/mallee/internal/sessions"
	"github.com/mallee-io/mallee/internal/transport"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/wire/koala"
)

// stage is where actors live that clients of Koala's own gateways talk to: a
// node whose gateway is member 2.
type stage struct {
	*talker
	events chan string
	// meet and hear are what actors do; they may be nil.
	meet func(id mallee.ID, s mallee.Session) error
	hear func(id mallee.ID, text string) error

	mu       sync.Mutex
	attached map[mallee.ID]map[uint64]mallee.Session
}

func newStage(t testing.TB, config transport.KoalaConfig) *stage {
	t.Helper()
	h := newHosts()
	h.members = []placement.Member{{ID: 2, Foreign: true, Addr: "127.0.0.1:15001", Types: []placement.Type{{Name: "IGateway"}}}, {ID: 3}}
	s := &stage{events: make(chan string, 256), attached: make(map[mallee.ID]map[uint64]mallee.Session)}
	s.talker = startTalker(t, config, h, func(r *recorder) transport.Handler { return onStage{r, s} })
	if _, err := s.koala.Speaks(t.Context(), 2, "MalleeSessions"); err != nil {
		t.Fatal(err)
	}
	return s
}

// onStage is the node's end of the network.
type onStage struct {
	*recorder
	stage *stage
}

// Invoke runs a call as another node would: encoded.
func (o onStage) Invoke(ctx context.Context, id mallee.ID, call mallee.Call) error {
	args, err := call.AppendArgs(nil)
	if err != nil {
		return err
	}
	methods := slices.Concat(sessions.MalleeSessionsInterface().Methods, account.AccountsInterface().Methods)
	i := slices.IndexFunc(methods, func(m mallee.Method) bool { return m.Name == call.Method() })
	there := methods[i].New()
	if err := there.DecodeArgs(args); err != nil {
		return err
	}
	if err := there.Run(ctx, performer{o.stage, id}); err != nil {
		return err
	}
	results, err := there.AppendResults(nil)
	if err != nil {
		return err
	}
	return call.DecodeResults(results)
}

// performer is an actor, and an account.
type performer struct {
	stage *stage
	id    mallee.ID
}

func (p performer) Connect(_ context.Context, s mallee.Session, how mallee.Arrival, alone bool) (sessions.Host, error) {
	if p.stage.meet != nil {
		if err := p.stage.meet(p.id, s); err != nil {
			return sessions.Host{}, err
		}
	}
	p.stage.mu.Lock()
	defer p.stage.mu.Unlock()
	if p.stage.attached[p.id] == nil {
		p.stage.attached[p.id] = make(map[uint64]mallee.Session)
	}
	p.stage.attached[p.id][s.ID] = s
	p.stage.events <- fmt.Sprintf("%s connect %d %q %q again=%t alone=%t", p.id, s.At, s.User, how.Login, how.Again, alone)
	return sessions.Host{Node: 1, Epoch: 1}, nil
}

func (p performer) Message(_ context.Context, session uint64, m mallee.Message) error {
	p.stage.mu.Lock()
	_, ok := p.stage.attached[p.id][session]
	p.stage.mu.Unlock()
	if !ok {
		return sessions.ErrDetached.BeforeRun()
	}
	p.stage.events <- fmt.Sprintf("%s message %d %q text=%t", p.id, session, m.Data, m.Text)
	if p.stage.hear != nil {
		return p.stage.hear(p.id, string(m.Data))
	}
	return nil
}

func (p performer) Disconnect(_ context.Context, s mallee.Session, why mallee.DisconnectReason) error {
	p.stage.mu.Lock()
	defer p.stage.mu.Unlock()
	delete(p.stage.attached[p.id], s.ID)
	p.stage.events <- fmt.Sprintf("%s disconnect %d %q %s", p.id, s.At, s.User, why)
	return nil
}

func (p performer) Moved(context.Context, []sessions.Relocation) error { return nil }

func (p performer) Login(_ context.Context, l account.Login) (account.Admission, error) {
	if l.User == "nobody" {
		return account.Admission{}, errors.New("who?")
	}
	p.stage.events <- fmt.Sprintf("%s login %q %d %d %q", p.id, l.User, l.Server, l.Session, l.Packet)
	return account.Admission{Actor: mallee.ID{Type: "IPlayer", Key: "1"}}, nil
}

func (s *stage) expect(want string) {
	s.t.Helper()
	if got := next(s.t, s.events, want); got != want {
		s.t.Errorf("got  %s\nwant %s", got, want)
	}
}

// push is what an actor here sends to clients.
func (s *stage) push(at []uint64, text string) error {
	return s.tell(sessions.OrderPush, (&sessions.Push{Sessions: at, Message: mallee.Text(text)}).Append(nil))
}

func (s *stage) tell(order string, body []byte) error {
	return s.Send(nodeID, 2, &transport.Message{Kind: transport.Edge, Method: order, Actor: player, Timeout: patience, Body: body})
}

// drops ends each connection that the node dials, as the original gateway does.
func (s *stage) drops() {
	done := make(chan struct{})
	var dropping sync.WaitGroup
	dropping.Go(func() {
		for {
			select {
			case conn := <-s.hosts.dialled:
				_ = conn.Close()
			case <-done:
				return
			}
		}
	})
	s.t.Cleanup(func() {
		close(done)
		dropping.Wait()
	})
}

// The whole exchange with the original gateway, which drops what it accepts.
func TestSessionOfAKoalaGateway(t *testing.T) {
	t.Parallel()
	s := newStage(t, transport.KoalaConfig{})
	s.drops()
	p := s.dialsIn()
	p.write(raw(t, heartbeatFrame))
	after[*koala.ResponseHeartBeat](p)
	p.write(raw(t, loginFrame))
	s.expect(fmt.Sprintf("Accounts/7 login \"1\" 2 20000000007 %q", firstPacket))
	p.exactly(admittedFrame)
	p.write(raw(t, sessionFrame))
	s.expect(fmt.Sprintf("IPlayer/1 connect 20000000007 \"1\" %q again=false alone=true", firstPacket))
	if err := s.push([]uint64{session.At}, "\x00\xffhi"); err != nil {
		t.Error(err)
	}
	p.exactly(pushFrame)
	p.write(raw(t, messageFrame))
	s.expect(`IPlayer/1 message 20000000007 "hello" text=false`)
	if err := s.push([]uint64{session.At, 20000000009}, "\x00\xffhi"); err != nil { // one frame each
		t.Error(err)
	}
	p.exactly(pushFrame)
	if m, body := after[*koala.RequestSendMessageToSession](p); m.SessionID != 20000000009 || m.SessionIDs != nil || string(body) != "\x00\xffhi" {
		t.Errorf("got %+v, %q", m, body)
	}
	if err := s.tell(sessions.OrderBind, (&sessions.Bind{Session: session.At, To: player}).Append(nil)); err != nil {
		t.Error(err)
	}
	p.exactly(admittedFrame)
	p.write(raw(t, abortedFrame))
	s.expect(`IPlayer/1 disconnect 20000000007 "1" closed`)
	if err := s.tell(sessions.OrderDetached, (&sessions.Detached{Sessions: []uint64{session.At}}).Append(nil)); err != nil {
		t.Error(err)
	}
	if err := s.Send(nodeID, 2, &transport.Message{Kind: transport.Edge, Method: sessions.AskFlush, Call: 4}); err != nil {
		t.Error(err)
	}
	if m := next(t, s.got, "answer"); m.from != 2 || m.Kind != transport.Reply || m.Call != 4 || m.Error != nil {
		t.Errorf("got %+v", m.Message)
	}
	for _, m := range []*transport.Message{
		{Kind: transport.Edge, Method: "take", Call: 5},
		{Kind: transport.Edge, Method: sessions.OrderPush, Body: []byte{9}},
		{Kind: transport.Edge, Method: sessions.OrderKick, Body: []byte{9}},
		{Kind: transport.Edge, Method: sessions.OrderBind, Body: []byte{9}},
		{Kind: transport.Request, Actor: mallee.ID{Type: "IGateway", Key: "1"}, Interface: "IGateway", Method: "m", Encoding: transport.Pickle, Timeout: patience},
	} {
		if err := s.Send(nodeID, 2, m); !errors.Is(err, mallee.ErrInvalid) || !mallee.SafeToRetry(err) {
			t.Errorf("%s: %v", m.Method, err)
		}
	}
}

// Such a gateway does not announce a session twice, whatever has become of its
// actor.
func TestKoalaGatewayWhoseActorHasForgotten(t *testing.T) {
	t.Parallel()
	s := newStage(t, transport.KoalaConfig{})
	s.drops()
	p := s.dialsIn()
	p.write(raw(t, messageFrame)) // of a session that came by another node
	s.expect(`IPlayer/1 connect 20000000007 "" "" again=true alone=false`)
	s.expect(`IPlayer/1 message 20000000007 "hello" text=false`)
	p.write(raw(t, sessionFrame))
	next(t, s.events, "connect")
	s.mu.Lock()
	clear(s.attached)
	s.mu.Unlock()
	p.write(raw(t, messageFrame))
	s.expect(`IPlayer/1 connect 20000000007 "1" "" again=true alone=false`)
	s.expect(`IPlayer/1 message 20000000007 "hello" text=false`)
	p.send(&koala.NotifyNewActorSession{ActorType: "IPlayer", ActorID: "2", SessionID: int64(session.At), OpenID: "1"}, nil)
	s.expect(`IPlayer/1 disconnect 20000000007 "1" rebound`)
	s.expect(`IPlayer/2 connect 20000000007 "1" "" again=false alone=true`)
}

func TestKoalaGatewayIsToldOfSessionsThatEnd(t *testing.T) {
	t.Parallel()
	s := newStage(t, transport.KoalaConfig{})
	s.meet = func(id mallee.ID, _ mallee.Session) error {
		if id.Key == "closed" {
			return errors.New("no entry")
		}
		return nil
	}
	s.drops()
	p := s.dialsIn()
	closed := func(want int64) {
		t.Helper()
		if m, _ := after[*koala.RequestCloseSession](p); m.SessionID != want {
			t.Errorf("session %d is closed instead of %d", m.SessionID, want)
		}
	}
	p.send(&koala.RequestAccountLogin{OpenID: "nobody", SessionID: 20000000001}, nil)
	closed(20000000001)
	p.send(&koala.NotifyNewActorSession{ActorType: "IRoom", ActorID: "closed", SessionID: 20000000002, OpenID: "1"}, nil)
	closed(20000000002)

	p.write(raw(t, sessionFrame))
	next(t, s.events, "connect")
	if err := s.tell(sessions.OrderKick, (&sessions.Kick{Sessions: []uint64{session.At}}).Append(nil)); err != nil {
		t.Error(err)
	}
	if m, _ := after[*koala.RequestCloseSession](p); *m != (koala.RequestCloseSession{SessionID: int64(session.At), ActorType: "IPlayer"}) {
		t.Errorf("kicked: %+v", m)
	}
	p.write(raw(t, messageFrame)) // the original does not stop its client
	p.write(raw(t, sessionFrame))
	s.expect(fmt.Sprintf("IPlayer/1 connect 20000000007 \"1\" %q again=false alone=true", firstPacket))
}

// The connection that the node has dialled is for what it sends, once the
// gateway has answered on it.
func TestKoalaGatewayThatAnswersOnTheDialledConnection(t *testing.T) {
	t.Parallel()
	s := newStage(t, transport.KoalaConfig{})
	in := s.dialsIn()
	in.write(raw(t, sessionFrame))
	next(t, s.events, "connect")
	pushed := make(chan error, 1)
	go func() { pushed <- s.push([]uint64{session.At}, "\x00\xffhi") }()
	out := s.dials()
	beat, _ := out.read()
	out.send(&koala.ResponseHeartBeat{MilliSeconds: beat.(*koala.RequestHeartBeat).MilliSeconds}, nil)
	out.exactly(pushFrame)
	if err := next(t, pushed, "push"); err != nil {
		t.Error(err)
	}
	_ = out.Close() // then the other one has to do
	next(t, s.lost, "loss")
	s.hosts.set(errors.New("refused"), s.hosts.members...)
	if err := s.push([]uint64{session.At}, "\x00\xffhi"); err != nil {
		t.Error(err)
	}
	in.exactly(pushFrame)
	_ = in.Close()
	next(t, s.lost, "loss")
	if err := s.push([]uint64{session.At}, "\x00\xffhi"); !errors.Is(err, mallee.ErrUnavailable) || !mallee.SafeToRetry(err) {
		t.Errorf("without a connection: %v", err)
	}
}

// An actor may live on a node that its gateway has never sent anything to, and
// what others on the gateway's machine have dialled looks the same.
func TestKoalaGatewayOfWhichNothingHasCome(t *testing.T) {
	t.Parallel()
	s := newStage(t, transport.KoalaConfig{})
	s.drops()
	host, p := s.dialsIn(), s.dialsIn()
	host.write(raw(t, requestFrame))
	next(t, s.got, "call")
	if err := s.push([]uint64{session.At}, "\x00\xffhi"); err != nil {
		t.Error(err)
	}
	p.exactly(pushFrame)

	other := s.accepts() // from another machine, with the gateway's messages
	other.write(raw(t, messageFrame))
	next(t, s.events, "connect")
	next(t, s.events, "message")
	for _, at := range []uint64{session.At, 20000000008} {
		if err := s.push([]uint64{at}, "x"); err != nil {
			t.Error(err)
		}
		if m, _ := after[*koala.RequestSendMessageToSession](other); m.SessionID != int64(at) {
			t.Errorf("got %+v", m)
		}
	}
}

// A gateway that drops connections is dialled less and less, and keeps no
// message waiting.
func TestKoalaGatewayThatDropsConnections(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, transport.KoalaConfig{})
		p := s.dialsIn()
		go func() { _, _ = io.Copy(io.Discard, p) }()
		p.write(raw(t, sessionFrame))
		<-s.events
		dials := 0
		done := make(chan struct{})
		go func() {
			for {
				select {
				case conn := <-s.hosts.dialled:
					dials++
					_ = conn.Close()
				case <-s.lost:
				case <-done:
					return
				}
			}
		}()
		begin := time.Now()
		for range 1000 {
			before := time.Now()
			if err := s.push([]uint64{session.At}, "x"); err != nil {
				t.Fatal(err)
			}
			if time.Since(before) != 0 {
				t.Fatalf("a message has waited for %v", time.Since(before))
			}
			time.Sleep(10 * time.Millisecond)
		}
		synctest.Wait()
		if most := 8 + int(time.Since(begin)/time.Second); dials < 3 || dials > most {
			t.Errorf("%d dials in %v", dials, time.Since(begin))
		}
		close(done)
	})
}

// A gateway that accepts and says nothing, as behind a firewall, holds up the
// first message alone.
func TestKoalaGatewayThatSaysNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, transport.KoalaConfig{})
		p := s.dialsIn()
		p.write(raw(t, sessionFrame))
		<-s.events
		go func() {
			for conn := range s.hosts.dialled {
				go func() { _, _ = io.Copy(io.Discard, conn) }()
			}
		}()
		go func() { _, _ = io.Copy(io.Discard, p) }()
		for _, want := range []time.Duration{time.Second, 0, 0} {
			before := time.Now()
			if err := s.push([]uint64{session.At}, "x"); err != nil || time.Since(before) != want {
				t.Errorf("sent after %v instead of %v: %v", time.Since(before), want, err)
			}
		}
		s.koala.Detach(nodeID)
		close(s.hosts.dialled)
	})
}

// Many gateways never say that a client is gone.
func TestSilentSessionOfAKoalaGateway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, transport.KoalaConfig{Idle: time.Hour, Silence: 1000 * time.Hour})
		p := s.dialsIn()
		p.write(raw(t, sessionFrame))
		<-s.events
		begin := time.Now()
		time.Sleep(30 * time.Minute)
		p.write(raw(t, messageFrame))
		<-s.events
		if e := <-s.events; e != `IPlayer/1 disconnect 20000000007 "1" lost` {
			t.Error(e)
		}
		if took := time.Since(begin); took < 90*time.Minute || took > 2*time.Hour {
			t.Errorf("ended after %v", took)
		}
		p.write(raw(t, messageFrame)) // it was there all the time
		s.expect(`IPlayer/1 connect 20000000007 "" "" again=true alone=false`)
		<-s.events
	})
}

// What one session can have waiting is bounded, and others do not suffer.
func TestKoalaGatewayWithASlowActor(t *testing.T) {
	t.Parallel()
	s := newStage(t, transport.KoalaConfig{})
	stuck := make(chan struct{})
	s.hear = func(_ mallee.ID, text string) error {
		if text == "hello" {
			<-stuck
		}
		return nil
	}
	p := s.dialsIn()
	p.write(raw(t, sessionFrame))
	next(t, s.events, "connect")
	for range 300 {
		p.write(raw(t, messageFrame))
	}
	next(t, s.events, "message")
	p.send(&koala.NotifyNewActorSession{ActorType: "IPlayer", ActorID: "2", SessionID: 20000000008, OpenID: "2"}, nil)
	s.expect(`IPlayer/2 connect 20000000008 "2" "" again=false alone=true`)
	close(stuck)
	p.write(raw(t, abortedFrame)) // finds room always
	heard := 1
	for e := next(t, s.events, "end"); !strings.Contains(e, "disconnect"); e = next(t, s.events, "end") {
		heard++
	}
	if heard < 256 || heard > 258 {
		t.Errorf("%d messages were heard", heard)
	}
}

// Whatever gateways send in whichever order: an actor hears the messages of a
// session in their order, and none before it knows the session.
func TestOrderOfKoalaGatewaySessions(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		s := newStage(t, transport.KoalaConfig{})
		defer s.koala.Detach(nodeID)
		p := s.dialsIn()
		sent, ended := make(map[int64][]string), 0
		n := rapid.IntRange(1, 60).Draw(rt, "messages")
		for i := range n {
			at := 20000000000 + rapid.Int64Range(1, 4).Draw(rt, "session")
			switch text := fmt.Sprint(i); rapid.IntRange(0, 9).Draw(rt, "what") {
			case 0:
				p.send(&koala.NotifyNewActorSession{ActorType: "T", ActorID: "1", SessionID: at, OpenID: text}, nil)
			case 1:
				p.send(&koala.NotifyActorSessionAborted{ActorType: "T", ActorID: "1", SessionID: at}, nil)
			case 2:
				if ended++; ended > 2 { // as often it is told again for one message
					continue
				}
				s.mu.Lock() // the activation has ended
				delete(s.attached[mallee.ID{Type: "T", Key: "1"}], uint64(at))
				s.mu.Unlock()
			default:
				sent[at] = append(sent[at], text)
				p.send(&koala.NotifyNewActorMessage{ActorType: "T", ActorID: "1", SessionID: at}, []byte(text))
			}
		}
		heard := make(map[int64][]string)
		for left := len(slices.Concat(slices.Collect(maps.Values(sent))...)); left > 0; {
			var at int64
			var text string
			e := next(t, s.events, "message")
			if _, err := fmt.Sscanf(e, "T/1 message %d %q", &at, &text); err == nil {
				heard[at] = append(heard[at], text)
				left--
			}
		}
		for at, want := range sent {
			if !slices.Equal(heard[at], want) {
				rt.Errorf("session %d: heard %v instead of %v", at, heard[at], want)
			}
		}
	})
}

// Messages of clients, whatever they are, and a gateway that does not read.
func FuzzKoalaGateway(f *testing.F) {
	for _, digits := range []string{loginFrame, sessionFrame, messageFrame, abortedFrame, pushFrame, admittedFrame, sessionFrame + messageFrame + abortedFrame} {
		f.Add(raw(f, digits))
	}
	f.Add([]byte(hex.EncodeToString(raw(f, messageFrame))))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := newStage(t, transport.KoalaConfig{})
		s.events = make(chan string, len(b))
		s.drops()
		p := s.dialsIn()
		go func() { _, _ = io.Copy(io.Discard, p) }()
		_, _ = p.Write(b)
		_ = p.Close()
	})
}
