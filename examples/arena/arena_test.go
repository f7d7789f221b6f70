package arena_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/examples/arena"
	"github.com/mallee-io/mallee/gateway/account"
	"github.com/mallee-io/mallee/malleetest"
)

// client is what a page does.
type client struct {
	*malleetest.Session
	t *testing.T
}

func connect(t *testing.T, g *malleetest.Gateway, name string) *client {
	t.Helper()
	s, err := g.Connect(mallee.ID{Type: "Pilot", Key: name}, name, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &client{s, t}
	c.say(arena.Request{Enter: &arena.Entry{Field: "red", Hue: 140}})
	return c
}

func (c *client) say(r arena.Request) {
	c.t.Helper()
	if err := c.try(r); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) try(r arena.Request) error {
	text, err := json.Marshal(r)
	if err != nil {
		c.t.Fatal(err)
	}
	return c.Send(c.t.Context(), mallee.Message{Text: true, Data: text})
}

// await returns the next report that is wanted.
func (c *client) await(wanted func(*arena.Report) bool) *arena.Report {
	c.t.Helper()
	for {
		m, ok := c.Receive()
		if !ok {
			c.t.Fatalf("the session has ended: %v, %s", c.Reason(), c.Why())
		}
		r := new(arena.Report)
		if err := json.Unmarshal(m.Data, r); err != nil {
			c.t.Fatalf("%s: %v", m.Data, err)
		}
		if wanted(r) {
			return r
		}
	}
}

func (c *client) frame() *arena.Frame {
	c.t.Helper()
	return c.await(func(r *arena.Report) bool { return r.Frame != nil }).Frame
}

// both is the view of a field in which two pilots are.
func both(r *arena.Report) bool {
	if r.Field == nil {
		return false
	}
	pilots := 0
	for _, s := range r.Field.Ships {
		if !s.Drone {
			pilots++
		}
	}
	return pilots == 2
}

func TestTwoPlayersSeeEachOther(t *testing.T) {
	t.Parallel()
	malleetest.Each(t, arena.Types("here"), func(t *testing.T, c *malleetest.Cluster) {
		g := c.Gateway()
		ada, grace := connect(t, g, "ada"), connect(t, g, "grace")
		view := ada.await(both).Field
		if view.Name != "red" || view.Place.Node != "here" {
			t.Errorf("%+v", view)
		}
		grace.say(arena.Request{Steer: &arena.Steer{X: 1}})
		id := 0
		for _, s := range view.Ships {
			if s.Name == "grace" {
				id = int(s.ID)
			}
		}
		where := func() (x int) {
			for _, s := range ada.frame().Ships {
				if s[0] == id {
					return s[1]
				}
			}
			t.Fatal("grace is in no frame")
			return 0
		}
		first := where()
		for range 100 {
			if where() != first {
				return
			}
		}
		t.Error("ada does not see grace move")
	})
}

// Every node knows how many fly, in whatever field and on whatever node.
func TestOnline(t *testing.T) {
	t.Parallel()
	malleetest.Each(t, arena.Types("here"), func(t *testing.T, c *malleetest.Cluster) {
		g := c.Gateway()
		ada, grace := connect(t, g, "ada"), connect(t, g, "grace")
		grace.say(arena.Request{Enter: &arena.Entry{Field: "blue"}})
		ada.seesOnline(2)
		if err := grace.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		ada.seesOnline(1)
	})
}

// seesOnline asks until so many fly.
func (c *client) seesOnline(want int) {
	c.t.Helper()
	got := 0
	for range 100 {
		c.say(arena.Request{Steer: &arena.Steer{}})
		c.say(arena.Request{Hall: true})
		got = c.await(func(r *arena.Report) bool { return r.Hall != nil }).Hall.Online
		if got == want {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	c.t.Errorf("%d are online, want %d", got, want)
}

// The node of the field dies: whoever plays gets its frames again, and nobody is
// missing.
func TestAFieldOutlivesItsNode(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := malleetest.Start(t, 3, arena.Types("here")...)
		g := c.Gateway()
		ada, grace := connect(t, g, "ada"), connect(t, g, "grace")
		before := ada.await(both).Field
		time.Sleep(2 * time.Second) // it saves once in a second
		tick := ada.frame().Tick
		c.Kill(c.Owner(mallee.ID{Type: "Field", Key: "red"}))
		stop := make(chan struct{})
		for _, one := range []*client{ada, grace} {
			go func() {
				for {
					select {
					case <-stop:
						return
					case <-time.After(500 * time.Millisecond):
						_ = one.try(arena.Request{Steer: &arena.Steer{}}) // it fails while the field is nowhere
					}
				}
			}()
		}
		after := ada.await(func(r *arena.Report) bool { return both(r) && r.Field.Place.Life != before.Place.Life }).Field
		if after.Ships[3] != before.Ships[3] || after.Ships[4] != before.Ships[4] {
			t.Errorf("the ships were %+v and are %+v", before.Ships, after.Ships)
		}
		if now := ada.frame().Tick; now+40 < tick {
			t.Errorf("it was at tick %d and goes on from %d", tick, now)
		}
		close(stop)
		synctest.Wait()
	})
}

func TestPointsAreKept(t *testing.T) {
	t.Parallel()
	malleetest.Each(t, arena.Types("here"), func(t *testing.T, c *malleetest.Cluster) {
		ada := arena.PilotOf(c.Node(0), "ada")
		for range 2 {
			if err := ada.Award(t.Context(), 5); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		time.Sleep(2 * mallee.DefaultIdleTimeout)
		if r, err := ada.Record(t.Context()); err != nil || r.Points != 10 {
			t.Errorf("%+v, %v", r, err)
		}
		best, err := arena.HallOf(c.Node(0), "world").Best(t.Context())
		if err != nil || len(best) != 1 || best[0] != (arena.Standing{Pilot: "ada", Points: 10}) {
			t.Errorf("%+v, %v", best, err)
		}
	})
}

// Nobody is left: the field stops, and is forgotten as any idle actor.
func TestAnEmptyFieldSleeps(t *testing.T) {
	t.Parallel()
	malleetest.Each(t, arena.Types("here"), func(t *testing.T, c *malleetest.Cluster) {
		g := c.Gateway()
		ada := connect(t, g, "ada")
		ada.frame()
		if err := ada.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * mallee.DefaultIdleTimeout)
		active := int64(0)
		for i := range c.Size() {
			active += c.Node(i).Stats().Active
		}
		if active > 1 { // the keeper of replicated values never sleeps
			t.Errorf("%d actors are active", active)
		}
	})
}

func TestInput(t *testing.T) {
	t.Parallel()
	malleetest.Each(t, arena.Types("here"), func(t *testing.T, c *malleetest.Cluster) {
		g := c.Gateway()
		ada := connect(t, g, "ada")
		for _, text := range []string{"", "{}", "[", `{"steer":{"x":"left"}}`, `{"enter":{"field":""}}`, `{"enter":{"field":"` + strings.Repeat("x", 99) + `"}}`} {
			if err := ada.Send(t.Context(), mallee.Text(text)); !errors.Is(err, arena.ErrInput) {
				t.Errorf("%s: %v", text, err)
			}
		}
		ada.frame() // goes on
	})
}

func TestDoor(t *testing.T) {
	t.Parallel()
	malleetest.Each(t, arena.Types("here"), func(t *testing.T, c *malleetest.Cluster) {
		door := account.AccountsOf(c.Node(0), "7")
		a, err := door.Login(t.Context(), account.Login{Packet: []byte(`{"name":"Ada Lovelace"}`)})
		if err != nil || a.Actor != (mallee.ID{Type: "Pilot", Key: "Ada Lovelace"}) {
			t.Errorf("%+v, %v", a, err)
		}
		for _, packet := range []string{"", "{}", `{"name":""}`, `{"name":"a\u0000"}`, `{"name":"` + strings.Repeat("é", 17) + `"}`, `{"name":7}`} {
			if _, err := door.Login(t.Context(), account.Login{Packet: []byte(packet)}); !errors.Is(err, arena.ErrInput) {
				t.Errorf("%s: %v", packet, err)
			}
		}
	})
}
