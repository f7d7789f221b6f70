package gateway_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mallee-io/mallee/gateway"
	"github.com/mallee-io/mallee/gateway/internal/carrier"
	"github.com/mallee-io/mallee/malleetest"
	"github.com/mallee-io/mallee/wire/edge"
)

func TestSlowClientLosesTheNewest(t *testing.T) {
	bubble(t, func(t *testing.T, c *malleetest.Cluster, d *diary) {
		g := open(t, c.Client(), func(c *gateway.Config) { c.SendMessages = 10 })
		ann, _ := framed(t, g, "ann", "many")
		ann.stall(true)
		ann.say("100")
		synctest.Wait()
		ann.stall(false)
		known, lost := 0, 0 // of the 100; the writer may have made room for some amid them
		for known < 100 {
			f := ann.next()
			if f.Kind == edge.KindLost {
				var l edge.Lost
				unmarshal(t, f.Data, &l)
				known, lost = known+int(l.Count), lost+int(l.Count)
				continue
			}
			if known++; string(f.Data) != itoa(known) {
				t.Fatalf("message %s instead of %d", f.Data, known)
			}
		}
		if known != 100 || lost == 0 {
			t.Errorf("%d messages are known of, and %d lost", known, lost)
		}
		ann.say("1")
		ann.hears("1")
	})
}

func TestSlowClientLosesTheSession(t *testing.T) {
	bubble(t, func(t *testing.T, c *malleetest.Cluster, d *diary) {
		g := open(t, c.Client(), func(c *gateway.Config) { c.SendMessages, c.Slow = 10, gateway.DropSession })
		ann, w := framed(t, g, "ann", "many")
		bob := plain(t, g, "bob", "many")
		synctest.Wait()
		for _, client := range []*client{ann, bob} {
			client.stall(true)
			client.say("100")
			client.ends(edge.CodeSlow)
		}
		ann = resume(t, g, w, 0)
		if w := ann.welcome(); !w.Resumed {
			t.Errorf("welcome: %+v", w)
		}
		var lost edge.Lost
		ann.reads(edge.KindLost, &lost)
		ann.hearsAll(int(lost.Count)+1, 100)
	})
}

// A client whose actor is slow is not read; others are.
func TestFullQueue(t *testing.T) {
	bubble(t, func(t *testing.T, c *malleetest.Cluster, d *diary) {
		g := open(t, c.Client(), func(c *gateway.Config) { c.QueueMessages = 8 })
		ann, _ := framed(t, g, "ann", "slow")
		bob, _ := framed(t, g, "bob", "b")
		ann.sayAll(1, 100)
		synctest.Wait()
		ann.mu.Lock()
		unread := len(ann.up)
		ann.mu.Unlock()
		if unread < 80 {
			t.Errorf("only %d of 100 messages were not read", unread)
		}
		bob.say("hello")
		bob.hears("hello")
		ann.hearsAll(1, 100)
	})
}

// The memory of the gateway is bounded: those who have most lose their session,
// and nobody else notices.
func TestMemory(t *testing.T) {
	bubble(t, func(t *testing.T, c *malleetest.Cluster, d *diary) {
		g := open(t, c.Client(), func(c *gateway.Config) { c.MaxMemory, c.SendMessages = 50_000, 10_000 })
		bob, _ := framed(t, g, "bob", "b")
		ann, _ := framed(t, g, "ann", "many")
		ann.stall(true)
		ann.say("2000")
		ann.ends(edge.CodeOverloaded)
		synctest.Wait()
		bob.say("hello")
		bob.hears("hello")
		again, _ := framed(t, g, "ann", "a") // there is room again
		again.say("hello")
		again.hears("hello")
	})
}

func TestNobodyNewWithoutMemory(t *testing.T) {
	bubble(t, func(t *testing.T, c *malleetest.Cluster, d *diary) {
		g := open(t, c.Client(), func(c *gateway.Config) { c.MaxMemory = 22_000 })
		ann, w := framed(t, g, "ann", "many")
		ann.stall(true)
		ann.say("140") // 312 bytes, and 128 for each message
		synctest.Wait()
		bob := dial(t, g, false)
		bob.say(loginOf("bob", "b"))
		bob.ends(edge.CodeOverloaded)
		resume(t, g, w, 0).welcome() // is not new
	})
}

func TestLimits(t *testing.T) {
	bubble(t, func(t *testing.T, c *malleetest.Cluster, d *diary) {
		g := open(t, c.Client(), func(c *gateway.Config) {
			c.Messages, c.Bytes, c.MaxPerAddress = gateway.KoalaRate(5), gateway.Rate{PerSecond: 100}, 2
		})
		ann, w := framed(t, g, "ann", "a")
		ann.sayAll(1, 5)
		ann.hearsAll(1, 5)
		ann.sayAll(6, 7)
		ann.ends(edge.CodeRateLimited)
		synctest.Wait()
		if w := resume(t, g, w, 5).welcome(); w.Resumed {
			t.Errorf("welcome: %+v", w) // the session was ended
		}
		bob := plain(t, g, "bob", "b")
		bob.say("hello")
		bob.hears("hello")
		dial(t, g, false).ends(edge.CodeRateLimited)
		bob.say(strings.Repeat("b", 90))
		bob.next()
		bob.say(strings.Repeat("b", 90))
		bob.ends(edge.CodeRateLimited)
		synctest.Wait()
		time.Sleep(time.Second)
		plain(t, g, "bob", "b").say("again")
	})
}

func TestSilentClients(t *testing.T) {
	bubble(t, func(t *testing.T, c *malleetest.Cluster, d *diary) {
		g := open(t, c.Client())
		ann, w := framed(t, g, "ann", "a")
		bob := plain(t, g, "bob", "a")
		for range 10 {
			time.Sleep(20 * time.Second)
			ann.send(edge.KindPing, "x")
			if f := ann.next(); f.Kind != edge.KindPong || string(f.Data) != "x" {
				t.Errorf("frame %d %q", f.Kind, f.Data)
			}
		}
		bob.ends(edge.CodeIdle)
		if bob.pings == 0 {
			t.Error("was not asked")
		}
		ann.ends(edge.CodeIdle)
		ann = resume(t, g, w, 0)
		if w := ann.welcome(); !w.Resumed {
			t.Errorf("welcome: %+v", w)
		}
	})
}

func TestUnavailableActor(t *testing.T) {
	bubble(t, func(t *testing.T, c *malleetest.Cluster, d *diary) {
		g := open(t, c.Client())
		ann, _ := framed(t, g, "ann", "a")
		ann.say("one")
		ann.hears("one")
		for i := range 3 {
			c.Kill(i)
		}
		start := time.Now()
		ann.say("two")
		time.Sleep(20 * time.Second)
		ann.send(edge.KindPing, "x")
		ann.ends(edge.CodeUnavailable)
		if took := time.Since(start); took < 30*time.Second || took > time.Minute {
			t.Errorf("it took %v", took)
		}
	})
}

func TestPages(t *testing.T) {
	bubble(t, func(t *testing.T, c *malleetest.Cluster, d *diary) {
		n := c.Client()
		pages := n.AdminHandler()
		g := open(t, n)
		ann, w := framed(t, g, "ann", "a")
		ann.say("one")
		ann.hears("one")
		resume(t, g, w, 1).welcome()
		synctest.Wait()
		get := func(path string) (int, string) {
			r := httptest.NewRecorder()
			pages.ServeHTTP(r, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
			return r.Code, r.Body.String()
		}
		_, figures := get("/metrics")
		for _, want := range []string{
			"mallee_gateway_received_messages_total 1", "mallee_gateway_pushed_messages_total 1", `mallee_gateway_sessions{state="online"} 1`,
			`mallee_gateway_resumes_total{outcome="here"} 1`, `mallee_gateway_closed_connections_total{code="4201"} 1`, "mallee_gateway_sent_bytes_total",
		} {
			if !strings.Contains(figures, want) {
				t.Errorf("no %q in the figures", want)
			}
		}
		if code, body := get("/readyz"); code != http.StatusOK {
			t.Errorf("%d %s", code, body)
		}
		if err := g.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A message that does not come to its end costs the connection, not the session.
func TestUnfinishedMessage(t *testing.T) {
	bubble(t, func(t *testing.T, c *malleetest.Cluster, d *diary) {
		g := open(t, c.Client())
		ann, w := framed(t, g, "ann", "a")
		ann.mu.Lock()
		ann.cut = &carrier.Closed{Code: edge.CodeIdle, Reason: "a message has not come to its end"}
		ann.moved.Broadcast()
		ann.mu.Unlock()
		ann.ends(edge.CodeIdle)
		if w := resume(t, g, w, 0).welcome(); !w.Resumed {
			t.Errorf("welcome: %+v", w)
		}
	})
}

// What stands beside a token is no login that anybody has checked: the actor
// does not get it.
func TestLoginBesideAToken(t *testing.T) {
	bubble(t, func(t *testing.T, c *malleetest.Cluster, d *diary) {
		g := open(t, c.Client())
		ann, w := framed(t, g, "ann", "a")
		ann.leave(0)
		time.Sleep(2 * time.Minute) // the session is over
		back := dial(t, g, true)
		back.hello(edge.Hello{Login: json.RawMessage(loginOf("admin", "vault")), Resume: &edge.Resume{Token: w.Token, Epoch: w.Epoch}})
		if w := back.welcome(); w.Resumed {
			t.Errorf("welcome: %+v", w)
		}
		if got := d.of("a: connect"); len(got) != 2 || got[1] != "a: connect ann again=true " {
			t.Errorf("%q", got)
		}
	})
}

// What an ended session still owes its actor counts as memory until it is
// settled.
func TestMemoryOfThoseWhoHaveLeft(t *testing.T) {
	bubble(t, func(t *testing.T, c *malleetest.Cluster, d *diary) {
		g := open(t, c.Client())
		site := &site{t: t, gateway: g}
		eve := plain(t, g, "eve", "slow")
		eve.sayAll(1, 20)
		synctest.Wait()
		eve.leave(0)
		synctest.Wait()
		if n := site.figure("memory_bytes", ""); n < 15*128 {
			t.Errorf("%.0f bytes are counted", n)
		}
		time.Sleep(10 * time.Second)
		if n := site.figure("memory_bytes", ""); n != 0 {
			t.Errorf("%.0f bytes are counted", n)
		}
	})
}
