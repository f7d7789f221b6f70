package gateway_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/mallee-io/mallee/malleetest"
	"github.com/mallee-io/mallee/wire/edge"
)

// A link between two nodes that is cut for a while loses nothing.
func TestPartition(t *testing.T) {
	bubble(t, func(t *testing.T, c *malleetest.Cluster, d *diary) {
		at := (c.Owner(actor("ticks")) + 1) % 3
		ann, _ := framed(t, open(t, c.Node(at)), "ann", "ticks")
		ann.say("300")
		ann.hearsAll(1, 50)
		c.Partition(at)
		time.Sleep(time.Second)
		c.Heal()
		ann.hearsAll(51, 300)
		if got := d.of("ticks: error"); len(got) > 0 {
			t.Error(got)
		}
	})
}

// When it is cut for longer than messages are kept, the client is told that it
// has missed some, by a new epoch. Its session goes on.
func TestLongPartition(t *testing.T) {
	bubble(t, func(t *testing.T, c *malleetest.Cluster, d *diary) {
		at := (c.Owner(actor("ticks")) + 1) % 3
		g := open(t, c.Node(at))
		ann, w := framed(t, g, "ann", "ticks")
		bob := plain(t, g, "bob", "a")
		ann.say("10000")
		ann.hearsAll(1, 50)
		synctest.Wait()
		c.Partition(at)
		time.Sleep(45 * time.Second)
		if len(d.of("ticks: error unavailable")) == 0 {
			t.Error("the actor has seen no error")
		}
		c.Heal()
		ann.ends(edge.CodeInternal)
		bob.ends(edge.CodeInternal) // it speaks no frames, and cannot be told otherwise
		ann = resume(t, g, w, 50)
		if again := ann.welcome(); again.Resumed || again.Session != w.Session || again.Epoch == w.Epoch {
			t.Errorf("welcome: %+v, after %+v", again, w)
		}
		first := ann.next()
		n := 0
		for _, digit := range first.Data {
			n = 10*n + int(digit-'0')
		}
		ann.hearsAll(n+1, n+100)
		synctest.Wait()
		if len(d.of("ticks: connect ann again=true")) == 0 {
			t.Error("the actor was not told of the session again")
		}
		if got := d.of("ticks: disconnect"); len(got) > 0 {
			t.Error(got)
		}
	})
}
