package gateway_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/gateway"
	"github.com/mallee-io/mallee/malleetest"
	"github.com/mallee-io/mallee/wire/edge"
)

// bubble runs a test on a cluster of three nodes in fake time.
func bubble(t *testing.T, body func(t *testing.T, c *malleetest.Cluster, d *diary)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := new(diary)
		body(t, malleetest.Start(t, 3, d.typ()), d)
	})
}

func actor(key string) mallee.ID { return mallee.ID{Type: "Echo", Key: key} }

func TestNodeCrash(t *testing.T) {
	bubble(t, func(t *testing.T, c *malleetest.Cluster, d *diary) {
		g := open(t, c.Client())
		ann := plain(t, g, "ann", "a")
		ann.say("one")
		ann.hears("one")
		c.Kill(c.Owner(actor("a")))
		ann.sayAll(1, 20) // they wait, and keep their order
		first := ann.next()
		if string(first.Data) == "1" { // or it was lost with the node
			ann.hearsAll(2, 20)
		} else {
			ann.hearsAll(3, 20)
		}
		if got := d.of("a: connect"); len(got) != 2 || got[1] != `a: connect ann again=true {"user":"ann","actor":"a"}` {
			t.Errorf("%q", got)
		}
	})
}

// A session that is silent is announced all the same: its actor can send to it.
func TestCrashOfSilentSessions(t *testing.T) {
	bubble(t, func(t *testing.T, c *malleetest.Cluster, d *diary) {
		g := open(t, c.Client())
		const many = 200
		for range many {
			plain(t, g, "ann", "a")
		}
		synctest.Wait()
		if n := len(d.of("a: connect")); n != many {
			t.Fatalf("%d sessions", n)
		}
		c.Kill(c.Owner(actor("a")))
		time.Sleep(2 * malleetest.LeaseTTL)
		synctest.Wait()
		if n := len(d.of("a: connect ann again=true")); n != many {
			t.Errorf("%d of %d sessions were announced again", n, many)
		}
		if n := len(d.of("a: disconnect")); n != 0 {
			t.Errorf("%d sessions have ended", n)
		}
	})
}

func TestMigration(t *testing.T) {
	bubble(t, func(t *testing.T, c *malleetest.Cluster, d *diary) {
		g := open(t, c.Client())
		ann, _ := framed(t, g, "ann", "a")
		quiet, _ := framed(t, g, "quiet", "a")
		for round := range 6 {
			ann.sayAll(10*round+1, 10*round+10)
			c.Migrate(actor("a"), (c.Owner(actor("a"))+1)%3)
		}
		ann.hearsAll(1, 60)
		synctest.Wait()
		if n := len(d.of("a: connect quiet again=true")); n != 6 {
			t.Errorf("the silent session was announced %d times", n)
		}
		owner := c.Owner(actor("a"))
		c.Drain(owner)
		ann.sayAll(1, 10)
		ann.hearsAll(1, 10)
		quiet.say("still here")
		quiet.hears("still here")
		if got := d.of("a: disconnect"); len(got) > 0 {
			t.Error(got)
		}
	})
}

func TestResume(t *testing.T) {
	bubble(t, func(t *testing.T, c *malleetest.Cluster, d *diary) {
		g := open(t, c.Client())
		ann, w := framed(t, g, "ann", "a")
		ann.sayAll(1, 5)
		ann.hearsAll(1, 5)
		ann.leave(0)
		synctest.Wait()
		ann = resume(t, g, w, 3) // two were on their way
		w = ann.welcome()
		if !w.Resumed || w.Received != 5 {
			t.Errorf("welcome: %+v", w)
		}
		ann.hearsAll(4, 5)
		ann.say("6")
		ann.hears("6")

		// A second connection takes the session over from one that seems alive.
		other := resume(t, g, w, 6)
		ann.ends(edge.CodeReplaced)
		other.welcome()
		other.say("7")
		other.hears("7")
		if got := d.of("a: connect"); len(got) != 1 {
			t.Error(got)
		}
		ann = resume(t, g, w, 1000)
		ann.ends(edge.CodeProtocol)
		other.say("8")
		other.hears("8")
	})
}

func TestResumeWithGap(t *testing.T) {
	bubble(t, func(t *testing.T, c *malleetest.Cluster, d *diary) {
		g := open(t, c.Client(), func(c *gateway.Config) { c.SendMessages = 10 })
		ann, w := framed(t, g, "ann", "many")
		ann.stall(true)
		ann.say("30")
		synctest.Wait()
		ann.leave(0)
		synctest.Wait()
		ann = resume(t, g, w, 0)
		if w := ann.welcome(); !w.Resumed {
			t.Errorf("welcome: %+v", w)
		}
		heard, lost := 0, 0
		for heard+lost < 30 {
			f := ann.next()
			if f.Kind == edge.KindLost {
				var l edge.Lost
				unmarshal(t, f.Data, &l)
				lost += int(l.Count)
				continue
			}
			heard++
			if want := heard + lost; string(f.Data) != itoa(want) {
				t.Fatalf("message %s instead of %d", f.Data, want)
			}
		}
		if lost == 0 {
			t.Error("nothing was lost, and more was sent than is kept")
		}
	})
}

func TestWindowIsOver(t *testing.T) {
	bubble(t, func(t *testing.T, c *malleetest.Cluster, d *diary) {
		g := open(t, c.Client())
		ann, w := framed(t, g, "ann", "a")
		ann.leave(0)
		synctest.Wait()
		time.Sleep(50 * time.Second)
		if got := d.of("a: disconnect"); len(got) > 0 {
			t.Errorf("before the window was over: %q", got)
		}
		time.Sleep(20 * time.Second)
		d.want(t, `a: connect ann again=false {"user":"ann","actor":"a"}`, "a: disconnect ann lost")
		ann = resume(t, g, w, 0)
		again := ann.welcome()
		if again.Resumed || again.Session != w.Session || again.Epoch == w.Epoch {
			t.Errorf("welcome: %+v", again)
		}
		if got := d.of("a: connect ann again=true"); len(got) != 1 {
			t.Error(got)
		}
		ann.say("here")
		ann.hears("here")
	})
}

func TestForgedToken(t *testing.T) {
	bubble(t, func(t *testing.T, c *malleetest.Cluster, d *diary) {
		g := open(t, c.Client())
		ann := resume(t, g, edge.Welcome{Token: "AAAA", Epoch: "1"}, 0)
		ann.ends(edge.CodeResumeRefused)
		ann = dial(t, g, true)
		ann.hello(edge.Hello{Resume: &edge.Resume{Token: "AAAA", Epoch: "1"}, Login: []byte(loginOf("ann", "a"))})
		if w := ann.welcome(); w.Resumed {
			t.Errorf("welcome: %+v", w)
		}
		other := open(t, c.Client(), func(c *gateway.Config) { c.Secrets = [][]byte{[]byte("another secret of a gateway")} })
		_, w := framed(t, other, "bob", "a")
		resume(t, g, w, 0).ends(edge.CodeResumeRefused)
		_, w = framed(t, g, "bob", "a")
		time.Sleep(25 * time.Hour)
		resume(t, g, w, 0).ends(edge.CodeResumeRefused) // expired
	})
}

func TestKickAndBind(t *testing.T) {
	bubble(t, func(t *testing.T, c *malleetest.Cluster, d *diary) {
		g := open(t, c.Client())
		ann, w := framed(t, g, "ann", "a")
		ann.say("kick that is enough", "too late")
		ann.hears("bye")
		ann.ends(edge.CodeKicked)
		if end := ann.end(); end.Reason != "that is enough" {
			t.Errorf("closed with %q", end.Reason)
		}
		resume(t, g, w, 0).ends(edge.CodeKicked) // had it not heard of it
		other := open(t, c.Client())
		resume(t, other, w, 0).ends(edge.CodeKicked)
		time.Sleep(2 * time.Hour) // the session is forgotten, and its token is not
		resume(t, g, w, 0).ends(edge.CodeKicked)
		resume(t, other, w, 0).ends(edge.CodeKicked)
		synctest.Wait()
		synctest.Wait()
		if got := d.of("a: disconnect"); !slices.Equal(got, []string{"a: disconnect ann kicked"}) {
			t.Error(got)
		}
		bob := plain(t, g, "bob", "b1")
		bob.say("bind b2")
		synctest.Wait()
		bob.say("hello")
		bob.hears("hello")
		if got := d.of("b"); !slices.Equal(got, []string{
			`b1: connect bob again=false {"user":"bob","actor":"b1"}`, "b1: message bob bind b2", "b1: disconnect bob rebound",
			`b2: connect bob again=false {"user":"bob","actor":"b1"}`, "b2: message bob hello",
		}) {
			t.Errorf("%q", got)
		}
	})
}

func TestAlone(t *testing.T) {
	bubble(t, func(t *testing.T, c *malleetest.Cluster, d *diary) {
		alone := func(c *gateway.Config) { c.Alone = true }
		g, other := open(t, c.Client(), alone), open(t, c.Client(), alone)
		first, w := framed(t, g, "ann", "a")
		bob, _ := framed(t, g, "bob", "a")
		second, _ := framed(t, other, "ann", "a")
		first.ends(edge.CodeReplaced)
		second.say("one")
		second.hears("one")
		bob.say("two")
		bob.hears("two")
		if got := d.of("a: disconnect"); !slices.Equal(got, []string{"a: disconnect ann replaced"}) {
			t.Error(got)
		}
		_ = w
	})
}

func TestActorThatFails(t *testing.T) {
	bubble(t, func(t *testing.T, c *malleetest.Cluster, d *diary) {
		g := open(t, c.Client())
		ann, _ := framed(t, g, "ann", "a")
		ann.say("fail", "one", "crash", "two")
		ann.hears("one", "two")
		if got := d.of("a: connect"); len(got) != 2 {
			t.Error(got)
		}
	})
}
