package gateway_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mallee-io/mallee/gateway"
	"github.com/mallee-io/mallee/gateway/login"
	"github.com/mallee-io/mallee/malleetest"
	"github.com/mallee-io/mallee/wire/edge"
)

func TestResumeAtAnotherGateway(t *testing.T) {
	bubble(t, func(t *testing.T, c *malleetest.Cluster, d *diary) {
		a, b := open(t, c.Client()), open(t, c.Client())
		ann, w := framed(t, a, "ann", "a")
		ann.sayAll(1, 5)
		ann.hearsAll(1, 5)
		ann = resume(t, b, w, 3) // the gateway has not noticed that the first connection is gone
		again := ann.welcome()
		if !again.Resumed || again.Session != w.Session || again.Epoch != w.Epoch || again.Received != 5 {
			t.Errorf("welcome: %+v", again)
		}
		ann.hearsAll(4, 5)
		ann.sayAll(6, 50)
		ann.hearsAll(6, 50)

		// And back, with the first token: the gateways know where it has gone.
		ann = resume(t, a, w, 50)
		if again = ann.welcome(); !again.Resumed {
			t.Errorf("welcome: %+v", again)
		}
		ann.sayAll(51, 60)
		ann.hearsAll(51, 60)
		if got := d.of("a: connect"); len(got) != 3 || !strings.Contains(got[2], "again=true") {
			t.Error(got)
		}
		if got := d.of("a: disconnect"); len(got) > 0 {
			t.Error(got)
		}
		var want []string
		for i := 1; i <= 60; i++ {
			want = append(want, "a: message ann "+itoa(i))
		}
		if got := d.of("a: message"); !slices.Equal(got, want) {
			t.Errorf("%q", got)
		}
	})
}

// What is sent while a session goes from gateway to gateway arrives in its order.
func TestPushesDuringHandover(t *testing.T) {
	bubble(t, func(t *testing.T, c *malleetest.Cluster, d *diary) {
		gateways := []*gateway.Gateway{open(t, c.Client()), open(t, c.Client()), open(t, c.Client())}
		const many = 500
		ann, w := framed(t, gateways[0], "ann", "ticks")
		ann.say(itoa(many))
		for heard := 0; heard < many; {
			f := ann.next()
			if heard++; string(f.Data) != itoa(heard) {
				t.Fatalf("message %q instead of %d", f.Data, heard)
			}
			if heard%40 == 0 {
				ann.leave(0)
				ann = resume(t, gateways[heard/40%3], w, uint64(heard))
				if w = ann.welcome(); !w.Resumed {
					t.Fatalf("welcome: %+v", w)
				}
			}
		}
	})
}

func TestResumeAfterGatewayCrash(t *testing.T) {
	bubble(t, func(t *testing.T, c *malleetest.Cluster, d *diary) {
		home := c.Client()
		a, b := open(t, home), open(t, c.Client())
		ann, w := framed(t, a, "ann", "a")
		quiet, _ := framed(t, a, "quiet", "a")
		ann.say("one")
		ann.hears("one")
		home.Abort()
		ann.leave(0)
		quiet.leave(0)
		start := time.Now()
		ann = resume(t, b, w, 1)
		if again := ann.welcome(); again.Resumed || again.Session != w.Session || again.Epoch == w.Epoch {
			t.Errorf("welcome: %+v", again)
		}
		ann.say("two")
		ann.hears("two")
		if took := time.Since(start); took > 2*malleetest.LeaseTTL {
			t.Errorf("it took %v", took)
		}
		time.Sleep(3 * malleetest.LeaseTTL)
		synctest.Wait()
		ann.say("three")
		ann.hears("three")
		if got := d.of("a: disconnect"); len(got) != 2 { // ann was lost, and came back
			t.Error(got)
		}
	})
}

// comeBack is a client that resumes by a connection of the given number.
func comeBack(t *testing.T, g *gateway.Gateway, w edge.Welcome, received, attempt uint64) *client {
	t.Helper()
	c := dial(t, g, true)
	c.hello(edge.Hello{Resume: &edge.Resume{Token: w.Token, Epoch: w.Epoch, Received: received, Attempt: attempt}})
	return c
}

// A connection that the client has given up may be the last to arrive.
func TestOlderAttempt(t *testing.T) {
	bubble(t, func(t *testing.T, c *malleetest.Cluster, d *diary) {
		a, b := open(t, c.Client()), open(t, c.Client())
		_, w := framed(t, a, "ann", "a")
		ann := comeBack(t, a, w, 0, 4)
		ann.welcome()
		comeBack(t, a, w, 0, 3).ends(edge.CodeReplaced)
		comeBack(t, b, w, 0, 2).ends(edge.CodeReplaced)
		ann.say("one")
		ann.hears("one")
		ann = comeBack(t, b, w, 1, 5)
		if again := ann.welcome(); !again.Resumed {
			t.Errorf("welcome: %+v", again)
		}
		comeBack(t, a, w, 0, 3).ends(edge.CodeReplaced)
		ann.say("two")
		ann.hears("two")
		if got := d.of("a: disconnect"); len(got) > 0 {
			t.Error(got)
		}
	})
}

// The gateway of an old token has stopped, and another one has the session.
func TestResumeIsFound(t *testing.T) {
	bubble(t, func(t *testing.T, c *malleetest.Cluster, d *diary) {
		first := c.Client()
		a, b, third := open(t, first), open(t, c.Client()), open(t, c.Client())
		_, w := framed(t, a, "ann", "a")
		ann := resume(t, b, w, 0)
		ann.welcome()
		ann.say("one")
		ann.hears("one")
		if err := a.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if err := first.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		ann = resume(t, third, w, 1) // it has not seen the welcome of the second one
		if again := ann.welcome(); !again.Resumed || again.Epoch != w.Epoch {
			t.Errorf("welcome: %+v", again)
		}
		ann.say("two")
		ann.hears("two")
		if got := d.of("a: disconnect"); len(got) > 0 {
			t.Error(got)
		}
	})
}

// A client that comes to two gateways at once, while its own is dead, has one
// session in the end.
func TestTwoGatewaysSearch(t *testing.T) {
	bubble(t, func(t *testing.T, c *malleetest.Cluster, d *diary) {
		home := c.Client()
		a, b, third := open(t, home), open(t, c.Client()), open(t, c.Client())
		ann, w := framed(t, a, "ann", "a")
		home.Abort()
		ann.leave(0)
		early, late := comeBack(t, b, w, 0, 2), comeBack(t, third, w, 0, 3)
		again := late.welcome()
		if again.Resumed || again.Session != w.Session {
			t.Errorf("welcome: %+v", again)
		}
		early.ends(edge.CodeReplaced)
		late.say("one")
		late.hears("one")
		if got := d.of("a: connect"); len(got) != 2 {
			t.Error(got)
		}
	})
}

// A gateway that still passed messages on has died with some, perhaps.
func TestUnknownLoss(t *testing.T) {
	bubble(t, func(t *testing.T, c *malleetest.Cluster, d *diary) {
		home := c.Client()
		a, err := gateway.New(gateway.Config{Node: home, Login: login.Func(admit), Secrets: [][]byte{secret}})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = a.Stop(context.Background()) }() // it is cut off
		b := open(t, c.Client())
		_, w := framed(t, a, "ann", "a")
		ann := comeBack(t, b, w, 0, 2)
		again := ann.welcome()
		ann.say("one")
		ann.hears("one")
		home.Abort()
		ann.ends(edge.CodeInternal)
		ann = comeBack(t, b, again, 1, 3)
		if last := ann.welcome(); last.Resumed || last.Session != w.Session || last.Epoch == w.Epoch {
			t.Errorf("welcome: %+v", last)
		}
		ann.say("two")
		ann.hears("two")
		if got := d.of("a: disconnect"); len(got) > 0 {
			t.Error(got)
		}
	})
}

func TestGatewayDrain(t *testing.T) {
	bubble(t, func(t *testing.T, c *malleetest.Cluster, d *diary) {
		a, b := open(t, c.Client()), open(t, c.Client())
		ann, w := framed(t, a, "ann", "a")
		old := plain(t, a, "old", "a")
		old.say("here")
		old.hears("here")
		drained := make(chan error)
		go func() { drained <- a.Drain(context.Background()) }()
		var move edge.Move
		ann.reads(edge.KindMove, &move)
		if move.Within != 10_000 {
			t.Errorf("move: %+v", move)
		}
		late := dial(t, a, false)
		late.say(loginOf("late", "a"))
		late.ends(edge.CodeDrain)
		ann.say("one")
		ann.hears("one")
		ann = resume(t, b, w, 1)
		if w := ann.welcome(); !w.Resumed {
			t.Errorf("welcome: %+v", w)
		}
		if err := <-drained; err != nil {
			t.Error(err)
		}
		if err := a.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		old.ends(edge.CodeDrain)
		ann.say("two")
		ann.hears("two")
	})
}

// A gateway whose node loses its lease and joins anew begins sessions anew.
func TestGatewayNodeJoinsAnew(t *testing.T) {
	bubble(t, func(t *testing.T, c *malleetest.Cluster, d *diary) {
		i := c.Add()
		a, b := open(t, c.Node(i)), open(t, c.Client())
		key := "a"
		for c.Owner(actor(key)) == i {
			key += "a"
		}
		ann, w := framed(t, a, "ann", key)
		ann.say("one")
		ann.hears("one")
		c.Isolate(i)
		time.Sleep(2 * malleetest.LeaseTTL)
		c.Heal()
		ann.ends(edge.CodeUnavailable)
		ann = resume(t, b, w, 1)
		if again := ann.welcome(); again.Resumed || again.Session != w.Session || again.Epoch == w.Epoch {
			t.Errorf("welcome: %+v", again)
		}
		ann.say("two")
		ann.hears("two")
		ann = resume(t, a, w, 1) // with the old token: the session is found where it is
		if again := ann.welcome(); again.Resumed || again.Session != w.Session {
			t.Errorf("welcome: %+v", again)
		}
		ann.say("three")
		ann.hears("three")
	})
}
