package gateway_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mallee-io/mallee/gateway"
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
		if took := time.Since(start); took > 3*time.Second {
			t.Errorf("it took %v", took)
		}
		time.Sleep(3 * malleetest.LeaseTTL)
		synctest.Wait()
		ann.say("three")
		ann.hears("three")
		if got := d.of("a: disconnect"); !slices.Equal(got, []string{"a: disconnect quiet lost"}) {
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

// A gateway whose node loses its lease and joins anew keeps its clients.
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
		again := ann.welcome() // with another token
		if again.Token == w.Token || again.Session != w.Session || again.Epoch != w.Epoch {
			t.Errorf("welcome: %+v", again)
		}
		ann.say("two")
		ann.hears("two")
		ann = resume(t, b, again, 2)
		if again := ann.welcome(); !again.Resumed {
			t.Errorf("welcome: %+v", again)
		}
		ann.say("three")
		ann.hears("three")
	})
}
