package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/gateway"
	"github.com/mallee-io/mallee/gateway/login"
	"github.com/mallee-io/mallee/malleetest"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/wire/edge"
)

// diary is what all actors of a test have seen.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) note(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

// of are the lines that begin with the words.
func (d *diary) of(words string) (lines []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, line := range d.lines {
		if strings.HasPrefix(line, words) {
			lines = append(lines, line)
		}
	}
	return lines
}

func (d *diary) want(t *testing.T, lines ...string) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Equal(d.lines, lines) {
		t.Errorf("the actors have seen\n\t%s\ninstead of\n\t%s", strings.Join(d.lines, "\n\t"), strings.Join(lines, "\n\t"))
	}
}

// echo is an actor that says what it is told, and obeys some words.
type echo struct {
	self  *mallee.Self
	diary *diary
	all   []mallee.Session // of the actor "all"
}

func (d *diary) typ() mallee.Type {
	return mallee.NewType(mallee.Interface{Name: "Echo"}, func(self *mallee.Self) any { return &echo{self: self, diary: d} })
}

var errUnwanted = mallee.NewError("echo.unwanted", "unwanted")

func (e *echo) OnConnect(ctx context.Context, s mallee.Session, a mallee.Arrival) error {
	if e.self.ID().Key == "all" {
		e.all = append(e.all, s)
		return nil
	}
	e.diary.note("%s: connect %s again=%t %s", e.self.ID().Key, s.User, a.Again, a.Login)
	switch e.self.ID().Key {
	case "refuses":
		return errUnwanted.Errorf("go away")
	case "panics":
		panic("not today")
	case "greets":
		return e.self.Send(ctx, mallee.Text("hello"), s)
	}
	return nil
}

func (e *echo) OnMessage(ctx context.Context, s mallee.Session, m mallee.Message) error {
	key := e.self.ID().Key
	if key == "many" {
		return e.flood(ctx, s, string(m.Data))
	}
	if key == "all" {
		return e.self.Send(ctx, m, e.all...)
	}
	if strings.HasPrefix(key, "quiet") {
		return e.self.Send(ctx, m, s)
	}
	if key == "slow" {
		time.Sleep(100 * time.Millisecond)
	}
	if key == "ticks" {
		return e.tick(ctx, s, string(m.Data))
	}
	e.diary.note("%s: message %s %s", key, s.User, m.Data)
	word, rest, _ := strings.Cut(string(m.Data), " ")
	switch word {
	case "kick":
		if err := e.self.Send(ctx, mallee.Text("bye"), s); err != nil {
			return err
		}
		return e.self.Kick(ctx, s, rest)
	case "bind":
		return e.self.Bind(ctx, s, mallee.ID{Type: "Echo", Key: rest})
	case "fail":
		return errors.New("a mistake of the actor")
	case "crash":
		panic("a mistake of the actor")
	}
	return e.self.Send(ctx, m, s)
}

// flood sends so many messages.
func (e *echo) flood(ctx context.Context, s mallee.Session, many string) error {
	var n int
	_, _ = fmt.Sscan(many, &n)
	for i := 1; i <= n; i++ {
		if err := e.self.Send(ctx, mallee.Text(fmt.Sprint(i)), s); err != nil {
			return err
		}
	}
	return nil
}

// tick sends so many messages, one each few milliseconds.
func (e *echo) tick(_ context.Context, s mallee.Session, many string) error {
	var n int
	_, _ = fmt.Sscan(many, &n)
	sent := 0
	var timer *mallee.Timer
	timer = e.self.Every(7*time.Millisecond, func(ctx context.Context) {
		if sent++; sent >= n {
			timer.Stop()
		}
		if err := e.self.Send(ctx, mallee.Text(fmt.Sprint(sent)), s); err != nil {
			e.diary.note("ticks: error %v", err)
		}
	})
	return nil
}

func (e *echo) OnDisconnect(_ context.Context, s mallee.Session, reason mallee.DisconnectReason) error {
	e.diary.note("%s: disconnect %s %s", e.self.ID().Key, s.User, reason)
	return nil
}

var secret = []byte("a secret that all gateways share")

// open starts a gateway whose clients say {"user":…, "actor":…}.
func open(t *testing.T, n *node.Node, change ...func(*gateway.Config)) *gateway.Gateway {
	t.Helper()
	config := gateway.Config{Node: n, Login: login.Func(admit), Secrets: [][]byte{secret}}
	for _, c := range change {
		c(&config)
	}
	g, err := gateway.New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return g
}

func admit(_ context.Context, r *login.Request) (login.Admission, error) {
	var l struct{ User, Actor, Type string }
	if err := json.Unmarshal(r.Packet, &l); err != nil {
		return login.Admission{}, &login.Refusal{Code: edge.CodeLoginInvalid, Reason: "the login is not JSON"}
	}
	if l.Type == "" {
		l.Type = "Echo"
	}
	return login.Admission{Actor: mallee.ID{Type: l.Type, Key: l.Actor}, User: l.User, First: r.Packet}, nil
}

func loginOf(user, actor string) string { return fmt.Sprintf(`{"user":%q,"actor":%q}`, user, actor) }

// plain is a client that speaks no frames, let in.
func plain(t *testing.T, g *gateway.Gateway, user, actor string) *client {
	t.Helper()
	c := dial(t, g, false)
	c.say(loginOf(user, actor))
	return c
}

// framed is a client that speaks frames, let in.
func framed(t *testing.T, g *gateway.Gateway, user, actor string) (*client, edge.Welcome) {
	t.Helper()
	c := dial(t, g, true)
	c.hello(edge.Hello{Login: json.RawMessage(loginOf(user, actor))})
	return c, c.welcome()
}

// resume is a client that comes back.
func resume(t *testing.T, g *gateway.Gateway, w edge.Welcome, received uint64) *client {
	t.Helper()
	c := dial(t, g, true)
	c.hello(edge.Hello{Resume: &edge.Resume{Token: w.Token, Epoch: w.Epoch, Received: received}})
	return c
}

func TestConnect(t *testing.T) {
	t.Parallel()
	d := new(diary)
	malleetest.Each(t, []mallee.Type{d.typ()}, func(t *testing.T, c *malleetest.Cluster) {
		d.lines = nil
		g := open(t, c.Client())
		ann := plain(t, g, "ann", "a")
		ann.say("one", "two")
		ann.hears("one", "two")
		bob, w := framed(t, g, "bob", "greets")
		if w.Session == "" || w.Token == "" || w.Resumed || w.Received != 0 {
			t.Errorf("welcome: %+v", w)
		}
		bob.hears("hello")
		bob.sayAll(1, 300)
		bob.hearsAll(1, 300)
		bob.leave(edge.CodeNormal)
		synctest.Wait()
		ann.leave(0)
		synctest.Wait()
		synctest.Wait()
		if got := d.of("greets: disconnect"); !slices.Equal(got, []string{"greets: disconnect bob closed"}) {
			t.Error(got)
		}
		d.mu.Lock()
		d.lines = slices.DeleteFunc(d.lines, func(line string) bool { return strings.HasPrefix(line, "greets") })
		d.mu.Unlock()
		d.want(t, `a: connect ann again=false {"user":"ann","actor":"a"}`, "a: message ann one", "a: message ann two", "a: disconnect ann lost")
	})
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	d := new(diary)
	malleetest.Each(t, []mallee.Type{d.typ(), mallee.NewType(mallee.Interface{Name: "Deaf"}, func(*mallee.Self) any { return struct{}{} })}, func(t *testing.T, c *malleetest.Cluster) {
		g := open(t, c.Client())
		for packet, want := range map[string]edge.Code{
			loginOf("ann", "refuses"):                    edge.CodeRefused,
			loginOf("ann", "panics"):                     edge.CodeRefused,
			loginOf("ann", ""):                           edge.CodeNoActor,
			`{"user":"ann","actor":"a","type":"Nobody"}`: edge.CodeNoActor,
			`{"user":"ann","actor":"a","type":"Deaf"}`:   edge.CodeNoActor,
			`{"user":`: edge.CodeLoginInvalid,
			`"` + strings.Repeat("a", edge.MaxLogin) + `"`: edge.CodeTooLarge,
		} {
			client := dial(t, g, false)
			client.say(packet)
			client.ends(want)
			synctest.Wait()
		}
		late := dial(t, g, true)
		late.ends(edge.CodeLoginLate)
		odd := dial(t, g, true)
		odd.say("hello")
		odd.ends(edge.CodeProtocol)
	})
}
