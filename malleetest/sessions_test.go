package malleetest_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/sessions"
	"github.com/mallee-io/mallee/malleetest"
)

// room is an actor that does what the messages of its sessions say.
type room struct {
	self  *mallee.Self
	notes *notes
	group *mallee.Group
}

// notes are what the rooms of a test have been told.
type notes struct {
	mu   sync.Mutex
	list []string
}

func (n *notes) add(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.list = append(n.list, fmt.Sprintf(format, args...))
}

// take returns what has been noted since.
func (n *notes) take() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	list := n.list
	n.list = nil
	return list
}

var errNotWelcome = mallee.NewError("room.not_welcome", "not welcome")

func (r *room) OnConnect(ctx context.Context, s mallee.Session, a mallee.Arrival) error {
	r.notes.add("%s: %s connects, again %v", r.self.Key(), s.User, a.Again)
	switch string(a.Login) {
	case "refuse":
		return errNotWelcome
	case "panic":
		panic("a visitor")
	}
	r.group.Join(s)
	return r.self.Send(ctx, mallee.Text("welcome "+s.User), s)
}

func (r *room) OnMessage(ctx context.Context, s mallee.Session, m mallee.Message) error {
	what, rest, _ := strings.Cut(string(m.Data), " ")
	switch what {
	case "note":
		r.notes.add("%s: %s", r.self.Key(), rest)
		return nil
	case "echo":
		return r.self.Send(ctx, mallee.Message{Text: m.Text, Data: []byte(rest)}, s)
	case "all":
		return r.group.Send(ctx, mallee.Text(rest))
	case "leave":
		r.group.Leave(s)
		return nil
	case "size":
		return r.self.Send(ctx, mallee.Text(fmt.Sprint(r.group.Len())), s)
	case "kick":
		return r.self.Kick(ctx, s, rest)
	case "bind":
		return r.self.Bind(ctx, s, mallee.ID{Type: "Room", Key: rest})
	case "end":
		r.self.DeactivateNow()
		return nil
	case "panic":
		panic("a message")
	}
	return mallee.ErrInvalid.Errorf("%q", m.Data)
}

func (r *room) OnDisconnect(_ context.Context, s mallee.Session, reason mallee.DisconnectReason) error {
	r.notes.add("%s: %s is gone, %v; %d stay", r.self.Key(), s.User, reason, r.group.Len())
	return nil
}

func roomID(key string) mallee.ID { return mallee.ID{Type: "Room", Key: key} }

// rooms starts a cluster of rooms with a gateway.
func rooms(t *testing.T, nodes int, options ...mallee.TypeOption) (*malleetest.Cluster, *malleetest.Gateway, *notes) {
	t.Helper()
	seen := new(notes)
	c := malleetest.Start(t, nodes, roomType(seen, options...))
	return c, c.Gateway(), seen
}

func roomType(seen *notes, options ...mallee.TypeOption) mallee.Type {
	return mallee.NewType(mallee.Interface{Name: "Room"}, func(self *mallee.Self) any {
		return &room{self, seen, mallee.NewGroup(self)}
	}, options...)
}

func connect(t *testing.T, g *malleetest.Gateway, actor mallee.ID, user string) *malleetest.Session {
	t.Helper()
	s, err := g.Connect(actor, user, nil)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, s, "welcome "+user)
	return s
}

func expect(t *testing.T, s *malleetest.Session, want ...string) {
	t.Helper()
	for _, want := range want {
		if m, ok := s.Receive(); !ok || string(m.Data) != want {
			t.Fatalf("%v got %q, %v instead of %q; %v: %s", s.Value(), m.Data, ok, want, s.Reason(), s.Why())
		}
	}
}

func send(t *testing.T, s *malleetest.Session, text string) {
	t.Helper()
	if err := s.Send(t.Context(), mallee.Text(text)); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
}

func (n *notes) expect(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	if got := n.take(); !slices.Equal(got, want) {
		t.Errorf("noted:\n%s\ninstead of:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// inBubble runs a test in fake time.
func inBubble(t *testing.T, test func(t *testing.T)) {
	t.Parallel()
	synctest.Test(t, test)
}

func TestSession(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		_, g, seen := rooms(t, 2)
		s := connect(t, g, roomID("a"), "ann")
		if err := s.Send(t.Context(), mallee.Binary([]byte("echo \x00\xff"))); err != nil {
			t.Fatal(err)
		}
		if m, _ := s.Receive(); m.Text || string(m.Data) != "\x00\xff" {
			t.Errorf("%+v", m)
		}
		send(t, s, "echo text")
		if m, _ := s.Receive(); !m.Text || string(m.Data) != "text" {
			t.Errorf("%+v", m)
		}
		if err := s.Send(t.Context(), mallee.Text("?")); !errors.Is(err, mallee.ErrInvalid) {
			t.Errorf("the actor's error came as %v", err)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		seen.expect(t, "a: ann connects, again false", "a: ann is gone, closed; 0 stay")
		if _, ok := s.Receive(); ok {
			t.Error("something comes after the end")
		}
	})
}

func TestGroupOfManyGateways(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, g, seen := rooms(t, 2)
		gateways := []*malleetest.Gateway{g, c.Gateway(), c.Gateway()}
		var all []*malleetest.Session
		for i := range 30 {
			all = append(all, connect(t, gateways[i%3], roomID("a"), fmt.Sprint("u", i)))
		}
		send(t, all[0], "all hello")
		for _, s := range all {
			expect(t, s, "hello")
		}
		send(t, all[1], "leave")
		send(t, all[0], "all again")
		send(t, all[1], "echo mine")
		expect(t, all[1], "mine")
		expect(t, all[2], "again")
		seen.take()
		for i, s := range all[:29] {
			if err := s.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			seen.expect(t, fmt.Sprintf("a: u%d is gone, closed; %d stay", i, min(28, 29-i))) // u1 has left before
		}
		send(t, all[29], "size")
		expect(t, all[29], "again", "1")
	})
}

func TestKickAndBind(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		_, g, seen := rooms(t, 3)
		s := connect(t, g, roomID("lobby"), "ann")
		send(t, s, "bind hall")
		expect(t, s, "welcome ann")
		send(t, s, "note here")
		seen.expect(t, "lobby: ann connects, again false", "hall: ann connects, again false", "lobby: ann is gone, rebound; 1 stay", "hall: here")
		send(t, s, "kick too loud")
		if _, ok := s.Receive(); ok || s.Reason() != mallee.DisconnectKicked || s.Why() != "too loud" {
			t.Errorf("%v, %q", s.Reason(), s.Why())
		}
		seen.expect(t, "hall: ann is gone, kicked; 0 stay")
		b := connect(t, g, roomID("lobby"), "ben")
		send(t, b, "all ann has ended") // the lobby's group has her still, and is told
		expect(t, b, "ann has ended")
		synctest.Wait()
		send(t, b, "size")
		expect(t, b, "1")
	})
}

func TestOneSessionOfAUser(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		_, g, seen := rooms(t, 2)
		g.Alone = true
		first := connect(t, g, roomID("a"), "ann")
		other := connect(t, g, roomID("a"), "ben")
		second := connect(t, g, roomID("a"), "ann")
		if _, ok := first.Receive(); ok || first.Reason() != mallee.DisconnectReplaced {
			t.Errorf("the first session: %v", first.Reason())
		}
		seen.expect(t, "a: ann connects, again false", "a: ben connects, again false", "a: ann is gone, replaced; 1 stay", "a: ann connects, again false")
		for _, s := range []*malleetest.Session{other, second} {
			send(t, s, "size")
			expect(t, s, "2")
		}
	})
}

func TestOnConnectFails(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		_, g, seen := rooms(t, 2)
		other := connect(t, g, roomID("a"), "ben")
		if _, err := g.Connect(roomID("a"), "ann", []byte("refuse")); !errors.Is(err, errNotWelcome) {
			t.Errorf("%v", err)
		}
		send(t, other, "size")
		expect(t, other, "1")
		seen.expect(t, "a: ben connects, again false", "a: ann connects, again false")
		if _, err := g.Connect(roomID("a"), "ann", []byte("panic")); !errors.Is(err, mallee.ErrPanic) {
			t.Errorf("%v", err)
		}
		// The actor is made anew, and what it had before is announced to it.
		seen.expect(t, "a: ann connects, again false", "a: ben connects, again true")
		expect(t, other, "welcome ben")
		if _, err := g.Connect(mallee.ID{Type: "Nothing", Key: "1"}, "ann", nil); !errors.Is(err, mallee.ErrNotFound) {
			t.Errorf("an actor type that there is not: %v", err)
		}
	})
}

// Sessions follow their actor wherever it goes, and whatever ends it.
func TestSessionsFollowTheirActor(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, g, seen := rooms(t, 3)
		s := connect(t, g, roomID("a"), "ann")
		seen.take()
		again := func(what string) {
			t.Helper()
			expect(t, s, "welcome ann")
			send(t, s, "note "+what)
			seen.expect(t, "a: ann connects, again true", "a: "+what)
		}
		send(t, s, "end")
		again("asked to end")
		if err := s.Send(t.Context(), mallee.Text("panic")); !errors.Is(err, mallee.ErrPanic) {
			t.Errorf("%v", err)
		}
		again("failed")
		c.Migrate(roomID("a"), (c.Owner(roomID("a"))+1)%3)
		again("moved")
		c.Drain(c.Owner(roomID("a")))
		again("drained")
		for i := range 3 {
			c.Uncordon(i)
		}
		c.Kill(c.Owner(roomID("a")))
		again("crashed") // without a message of the client
		owner := c.Owner(roomID("a"))
		c.Isolate(owner)
		again("isolated")
		c.Heal()
		time.Sleep(malleetest.LeaseTTL) // it is a member again
		c.Stop(c.Owner(roomID("a")))
		again("stopped")
	})
}

// Messages of sessions stay in their order, and what an actor sends to them
// does, and none is lost or comes twice, while the actor moves from node to
// node, and ends by itself.
func TestOrderOverMoves(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, g, _ := rooms(t, 3)
		gateways := []*malleetest.Gateway{g, c.Gateway()}
		const clients, n = 6, 150
		var all []*malleetest.Session
		for i := range clients {
			all = append(all, connect(t, gateways[i%2], roomID("a"), fmt.Sprint("u", i)))
		}
		var wg sync.WaitGroup
		for _, s := range all {
			wg.Go(func() {
				for i := range n {
					send(t, s, fmt.Sprint("echo ", i))
					time.Sleep(time.Duration(rand.IntN(3)) * time.Millisecond)
				}
			})
		}
		for i := range 12 {
			time.Sleep(5 * time.Millisecond)
			switch i % 4 {
			case 0:
				c.Migrate(roomID("a"), rand.IntN(3))
			case 1:
				owner := c.Owner(roomID("a"))
				c.Drain(owner)
				c.Uncordon(owner)
			case 2:
				send(t, all[0], "end")
			case 3:
				owner := c.Owner(roomID("a"))
				c.Stop(owner)
				c.Restart(owner)
			}
		}
		wg.Wait()
		for _, s := range all {
			expectInOrder(t, s, n)
		}
	})
}

// expectInOrder wants the numbers from 0 to n, and whatever greetings between
// them.
func expectInOrder(t *testing.T, s *malleetest.Session, n int) {
	t.Helper()
	for next := 0; next < n; {
		m, ok := s.Receive()
		if !ok {
			t.Fatalf("%v has ended: %s", s.Value(), s.Why())
		}
		switch string(m.Data) {
		case "welcome " + s.Value().User:
		case fmt.Sprint(next):
			next++
		default:
			t.Fatalf("%v got %q instead of %d", s.Value(), m.Data, next)
		}
	}
}

func TestSessionsOverTCP(t *testing.T) {
	t.Parallel()
	seen := new(notes)
	c := malleetest.OverTCP.Start(t, roomType(seen))
	s, listener := connect(t, c.Gateway(), roomID("a"), "ann"), connect(t, c.Gateway(), roomID("a"), "ben")
	const n = 60
	for i := range n {
		if i%20 == 10 {
			c.Migrate(roomID("a"), (c.Owner(roomID("a"))+1)%3)
		}
		send(t, s, fmt.Sprint("echo ", i))
	}
	expectInOrder(t, s, n)
	for { // until ben has been announced to the last activation, too
		send(t, s, "size")
		m, _ := s.Receive()
		if string(m.Data) == "2" {
			break
		}
	}
	send(t, s, "all hello")
	for {
		if m, ok := listener.Receive(); !ok || string(m.Data) == "hello" {
			break
		}
	}
	if reason := listener.Reason(); reason != 0 {
		t.Errorf("the listener has ended: %v", reason)
	}
}

// A session of which its gateway knows nothing does not keep the actor for ever.
func TestForgottenSession(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, _, seen := rooms(t, 2, mallee.IdleTimeout(time.Minute))
		at := sessions.At(c.Node(0).ID(), 5) // there is no gateway
		ref := sessions.MalleeSessionsAt(sessions.Through(c.Client()), roomID("a"))
		if _, err := ref.Connect(t.Context(), mallee.Session{ID: at, At: at, User: "ann"}, mallee.Arrival{}, false); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		seen.expect(t, "a: ann connects, again false", "a: ann is gone, lost; 0 stay")
		if active := c.Node(0).Stats().Active + c.Node(1).Stats().Active; active != 0 {
			t.Errorf("%d actors are active", active)
		}
	})
}

func TestGatewayCrash(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, g, seen := rooms(t, 3)
		stays := connect(t, g, roomID("a"), "ann")
		doomed := c.Gateway()
		for i := range 20 {
			connect(t, doomed, roomID("a"), fmt.Sprint("u", i))
		}
		seen.take()
		doomed.Kill()
		time.Sleep(2 * malleetest.LeaseTTL)
		synctest.Wait()
		gone := seen.take()
		if len(gone) != 20 || !slices.Contains(gone, "a: u7 is gone, lost; 1 stay") {
			t.Errorf("%d: %q", len(gone), gone)
		}
		send(t, stays, "size")
		expect(t, stays, "1")
		send(t, stays, "all still here")
		expect(t, stays, "still here")
	})
}

// An actor does not become idle while it has a session.
func TestSessionsKeepActorsAlive(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, g, seen := rooms(t, 1, mallee.IdleTimeout(time.Minute))
		s := connect(t, g, roomID("a"), "ann")
		time.Sleep(time.Hour)
		send(t, s, "size") // by the group: it is the same activation
		expect(t, s, "1")
		seen.expect(t, "a: ann connects, again false")
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if active := c.Node(0).Stats().Active; active != 0 {
			t.Errorf("%d actors are active", active)
		}
	})
}

// A node that has lost its lease and does not know it yet sends nothing.
func TestSessionsOfAFencedNode(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		c, g, _ := rooms(t, 2)
		s := connect(t, g, roomID("a"), "ann")
		c.Isolate(c.Owner(roomID("a")))
		time.Sleep(2 * malleetest.LeaseTTL)
		expect(t, s, "welcome ann")
		c.Heal()
		time.Sleep(2 * malleetest.LeaseTTL)
		send(t, s, "echo hello")
		expect(t, s, "hello")
	})
}
