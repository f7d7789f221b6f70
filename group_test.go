package mallee_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/sessions"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/placement"
)

// edge is a gateway that keeps what is pushed to it.
type edge struct {
	sessions.Gateway
	mu   sync.Mutex
	last sessions.Push
	n    int
}

func (e *edge) Order(_ placement.NodeID, _ mallee.ID, order string, body []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.n++
	if order == sessions.OrderPush {
		if err := e.last.Parse(body); err != nil {
			panic(err)
		}
	}
}

type groupActor struct {
	self  *mallee.Self
	group *mallee.Group
}

// startGroup starts a node with a gateway and an actor that has a group.
func startGroup(t testing.TB) (*node.Node, *edge, func(func(ctx context.Context, a *groupActor) error) error) {
	t.Helper()
	typ := mallee.NewType(mallee.Interface{Name: "Probe"}, func(self *mallee.Self) any {
		return &groupActor{self, mallee.NewGroup(self)}
	})
	n, err := node.Start(t.Context(), node.Config{Types: []mallee.Type{typ}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	e := new(edge)
	detach, err := n.AttachGateway(e)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(detach)
	return n, e, func(code func(context.Context, *groupActor) error) error {
		return n.Invoke(t.Context(), mallee.ID{Type: "Probe", Key: "a"}, turn(func(ctx context.Context, actor any) error {
			return code(ctx, actor.(*groupActor))
		}))
	}
}

// A group is a set of sessions, wherever they are, and sends to each of them
// once, in order.
func TestGroupIsASet(t *testing.T) {
	t.Parallel()
	n, e, run := startGroup(t)
	ref := sessions.MalleeSessionsAt(sessions.Through(n), mallee.ID{Type: "Probe", Key: "a"})
	do := func(t *rapid.T, code func(ctx context.Context, g *mallee.Group) error) {
		if err := run(func(ctx context.Context, a *groupActor) error { return code(ctx, a.group) }); err != nil {
			t.Fatal(err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		in := make(map[uint64]mallee.Session) // by ID
		at := make(map[uint64]uint64)         // of all sessions, by ID
		fresh := uint64(1000)
		do(t, func(_ context.Context, g *mallee.Group) error {
			for _, s := range g.Sessions() {
				g.Leave(s)
			}
			return nil
		})
		draw := func(t *rapid.T) mallee.Session {
			id := sessions.At(n.ID(), rapid.Uint64Range(1, 20).Draw(t, "session"))
			if at[id] == 0 {
				at[id] = id
			}
			return mallee.Session{ID: id, At: at[id], User: "ann"}
		}
		t.Repeat(map[string]func(*rapid.T){
			"join": func(t *rapid.T) {
				s := draw(t)
				do(t, func(_ context.Context, g *mallee.Group) error { g.Join(s); return nil })
				in[s.ID] = s
			},
			"leave": func(t *rapid.T) {
				s := draw(t)
				var left bool
				do(t, func(_ context.Context, g *mallee.Group) error { left = g.Leave(s); return nil })
				if _, was := in[s.ID]; was != left {
					t.Fatalf("%v left: %v", s, left)
				}
				delete(in, s.ID)
			},
			"move": func(t *rapid.T) {
				s := draw(t)
				fresh++
				to := sessions.At(n.ID(), fresh)
				at[s.ID] = to
				if err := ref.Moved(t.Context(), []sessions.Relocation{{From: s.At, To: to}}); err != nil {
					t.Fatal(err)
				}
				if was, ok := in[s.ID]; ok && was.At == s.At {
					was.At = to
					in[s.ID] = was
				}
			},
			"end": func(t *rapid.T) {
				s := draw(t)
				if err := ref.Moved(t.Context(), []sessions.Relocation{{From: s.At}}); err != nil {
					t.Fatal(err)
				}
				if was, ok := in[s.ID]; ok && was.At == s.At {
					delete(in, s.ID)
				}
			},
			"": func(t *rapid.T) {
				want := slices.SortedFunc(maps.Values(in), func(a, b mallee.Session) int { return int(int64(a.At - b.At)) })
				var got []mallee.Session
				var length int
				do(t, func(ctx context.Context, g *mallee.Group) error {
					got, length = g.Sessions(), g.Len()
					return g.Send(ctx, mallee.Text("hello"))
				})
				if !slices.Equal(got, want) || length != len(want) {
					t.Fatalf("the group has %v instead of %v", got, want)
				}
				for i, s := range want {
					if len(e.last.Sessions) != len(want) || e.last.Sessions[i] != s.At {
						t.Fatalf("it sends to %v instead of %v", e.last.Sessions, want)
					}
				}
			},
		})
	})
}

// A gateway that is not there is an error, and keeps nothing from the others.
func TestSendToALostGateway(t *testing.T) {
	t.Parallel()
	n, e, run := startGroup(t)
	here, gone := sessions.At(n.ID(), 1), sessions.At(n.ID()+7, 1)
	err := run(func(ctx context.Context, a *groupActor) error {
		a.group.Join(mallee.Session{ID: gone, At: gone})
		a.group.Join(mallee.Session{ID: here, At: here})
		return a.group.Send(ctx, mallee.Text("hello"))
	})
	if !errors.Is(err, mallee.ErrUnavailable) {
		t.Errorf("%v", err)
	}
	if !slices.Equal(e.last.Sessions, []uint64{here}) {
		t.Errorf("it was sent to %v", e.last.Sessions)
	}
}

// Goroutines of an actor may send, too, and its end ends that.
func TestSendFromGoroutines(t *testing.T) {
	t.Parallel()
	n, e, run := startGroup(t)
	var self *mallee.Self
	to := []mallee.Session{{ID: sessions.At(n.ID(), 2), At: sessions.At(n.ID(), 2)}, {ID: sessions.At(n.ID(), 1), At: sessions.At(n.ID(), 1)}}
	const senders, each = 8, 50
	if err := run(func(ctx context.Context, a *groupActor) error {
		self = a.self
		var wg sync.WaitGroup
		for range senders {
			wg.Go(func() {
				for range each {
					if err := a.self.Send(context.Background(), mallee.Text("hello"), to...); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		a.self.DeactivateNow()
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if e.n != senders*each || !slices.Equal(e.last.Sessions, []uint64{to[1].At, to[0].At}) {
		t.Errorf("%d orders, the last one for %v", e.n, e.last.Sessions)
	}
	for n.Stats().Active > 0 { // until the activation has ended
		runtime.Gosched()
	}
	if err := self.Send(t.Context(), mallee.Text("late"), to...); !errors.Is(err, mallee.ErrUnavailable) || !mallee.SafeToRetry(err) {
		t.Errorf("after the end: %v", err)
	}
}

// BenchmarkGroupSend is a message for 10,000 sessions at the gateway of the
// actor's own node, up to the gateway.
func BenchmarkGroupSend(b *testing.B) {
	n, _, run := startGroup(b)
	if err := run(func(_ context.Context, a *groupActor) error {
		for i := range uint64(10_000) {
			a.group.Join(mallee.Session{ID: sessions.At(n.ID(), i+1), At: sessions.At(n.ID(), i+1)})
		}
		return nil
	}); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	if err := run(func(ctx context.Context, a *groupActor) error {
		for b.Loop() {
			if err := a.group.Send(ctx, mallee.Text("hello")); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		b.Fatal(err)
	}
}
