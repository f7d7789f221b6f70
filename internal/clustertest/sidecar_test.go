package clustertest_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/mallee-io/mallee/internal/chaos"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/eventsourcedpb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/valueentitypb"
	"github.com/mallee-io/mallee/internal/gen/tckpb/tckevents"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/placement/pd"
	"github.com/mallee-io/mallee/sidecar"
	"github.com/mallee-io/mallee/sidecar/sidecartest"
)

// soon is for tests in which a lease has to end. Where a busy machine loses one
// more, such a test has more to recover from, and does not fail.
func soon(c *pd.Config) { c.LeaseTTL = 4 * time.Second }

// side is a sidecar with its user function.
type side struct {
	*sidecar.Sidecar
	function *sidecartest.Function
	conn     *grpc.ClientConn
}

// sidecar starts one, and waits until it serves. It finds the placement drivers
// at pds; nil: where they are.
func (c *cluster) sidecar(name string, f sidecartest.Config, pds []string) *side {
	c.t.Helper()
	return c.sidecarOf(f, node.Config{Name: name, PD: pds})
}

// sidecarOf starts one; what the configuration of its node leaves open is the
// cluster's.
func (c *cluster) sidecarOf(f sidecartest.Config, n node.Config) *side {
	c.t.Helper()
	function, log := sidecartest.Start(c.t, f), slog.New(c.log.of(n.Name))
	if n.Store = c.store; n.PD == nil {
		n.PD = c.addrs()
	}
	s, err := sidecar.Start(within(c.t), sidecar.Config{Function: function.Addr(), Listen: "127.0.0.1:0", Log: log, Node: n})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		if n := s.Node(); n != nil {
			n.Abort() // the clients are gone
		}
		_ = s.Stop(c.t.Context()) // at once
	})
	if err := s.Ready(within(c.t)); err != nil {
		c.t.Fatal(err)
	}
	return &side{s, function, dial(c.t, s.Addr(), nil)}
}

// sides starts three, which watch that no entity is alive twice.
func (c *cluster) sides() (all [3]*side) {
	c.t.Helper()
	var starting sync.WaitGroup
	watch := &incarnations{t: c.t, last: make(map[string]context.Context)}
	for i := range all {
		starting.Go(func() {
			all[i] = c.sidecar(fmt.Sprint("side", i), sidecartest.Config{Misbehave: watch.see}, nil)
		})
	}
	starting.Wait()
	return all
}

// incarnations sees whether an entity ever has commands in two user functions:
// after its newest stream has begun, none may come on an older one.
type incarnations struct {
	t    testing.TB
	mu   sync.Mutex
	last map[string]context.Context // the newest stream
}

func (s *incarnations) see(ctx context.Context, in proto.Message, out []proto.Message) ([]proto.Message, error) {
	switch m := in.(type) {
	case *eventsourcedpb.EventSourcedStreamIn:
		s.message(ctx, "event sourced ", m.GetInit().GetEntityId(), m.GetCommand())
	case *valueentitypb.ValueEntityStreamIn:
		s.message(ctx, "value ", m.GetInit().GetEntityId(), m.GetCommand())
	}
	return out, nil
}

func (s *incarnations) message(ctx context.Context, kind, init string, command *cloudstatepb.Command) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if init != "" {
		s.last[kind+init] = ctx
	}
	if id := command.GetEntityId(); command != nil && s.last[kind+id] != ctx {
		s.t.Errorf("%s%s has a command on a stream that is not its last", kind, id)
	}
}

// Entities leave a sidecar that is stopped, and no call of the others fails; its
// place may be taken by another one.
func TestSidecarStops(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	c.keepInEtcd()
	all := c.sides()
	live := write(t, false, all[0].conn, all[1].conn)
	spread(t, "early", all[:]...)
	third := all[2].Node()
	if err := all[2].Stop(within(t)); err != nil {
		t.Error(err)
	}
	live.goOn()
	fourth := c.sidecar("side3", sidecartest.Config{}, nil)
	live.through(all[0].conn, all[1].conn, fourth.conn)
	live.goOn()
	spread(t, "late", all[0], all[1], fourth)
	for i := 0; i < 20 && fourth.Node().Stats().Served == 0; i++ { // where entities go is chance
		spread(t, fmt.Sprint("later", i, "-"), all[0], all[1])
	}
	live.end()
	for i, n := range []*node.Node{all[0].Node(), all[1].Node(), third, fourth.Node()} {
		if n.Stats().Served == 0 {
			t.Errorf("sidecar %d had no commands", i)
		}
	}
}

// spread makes so many entities that each sidecar gets some.
func spread(t *testing.T, name string, sides ...*side) {
	t.Helper()
	for i := range 30 {
		c := &cell{kind: i % kinds, key: fmt.Sprint(name, i)}
		c.grow(within(t), t, sides[i%len(sides)].conn, "A")
	}
}

// What a sidecar has acknowledged is there when it has died, and when it has
// lost its lease.
func TestSidecarDies(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, soon)
	c.keepInEtcd()
	all := c.sides()
	live := write(t, true, all[0].conn, all[1].conn, all[2].conn)
	all[2].Node().Abort()
	live.through(all[0].conn, all[1].conn)
	live.goOn()
	live.end()
}

// A user function that comes back with other services has another node, and one
// that comes back as it was the same; the others go on.
func TestFunctionsComeBack(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	c.keepInEtcd()
	var version sync.Map
	all := [2]*side{}
	for i := range all {
		all[i] = c.sidecar(fmt.Sprint("side", i), sidecartest.Config{Spec: func(spec *cloudstatepb.EntitySpec) {
			if v, ok := version.Load(i); ok {
				spec.ServiceInfo.ServiceVersion = v.(string)
			}
		}}, nil)
	}
	live := write(t, true, all[0].conn)
	for _, v := range []string{"1", "2"} {
		before := all[1].Node()
		all[1].function.Stop()
		live.goOn()
		version.Store(1, v)
		all[1].function.Restart(t)
		again := time.NewTicker(10 * time.Millisecond)
		defer again.Stop()
		for ctx := within(t); ; <-again.C {
			if after := all[1].Node(); all[1].Ready(ctx) == nil && (after == before) == (v == "1") {
				break
			}
			if ctx.Err() != nil {
				t.Fatalf("the user function does not come back with version %s", v)
			}
		}
		live.through(all[0].conn, dial(t, all[1].Addr(), nil))
		live.goOn()
		live.through(all[0].conn)
	}
	live.end()
}

// A sidecar whose lease has ended stores nothing, even if its user function
// answers a command that it has had before.
func TestSidecarIsFenced(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, soon)
	c.keepInEtcd()
	way, err := chaos.NewProxy(chaos.ProxyConfig{Process: "pd", Target: c.addrs()[0], Links: chaos.NewLinks(), Source: func(net.Addr) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = way.Close() })
	arrived, answer := make(chan struct{}), make(chan struct{})
	first := c.sidecar("side0", sidecartest.Config{Misbehave: sidecartest.Once(emits("late"), func(_ context.Context, _ proto.Message, out []proto.Message) ([]proto.Message, error) {
		close(arrived)
		<-answer
		return out, nil
	})}, []string{way.Addr()})
	it := &cell{kind: eventsKind, key: "it"}
	it.grow(within(t), t, first.conn, "early")
	late := make(chan error, 1)
	go func() {
		_, err := (&cell{kind: eventsKind, key: "it"}).add(t.Context(), first.conn, "late")
		late <- err
	}()
	<-arrived
	if err := way.Close(); err != nil {
		t.Fatal(err)
	}
	second := c.sidecar("side1", sidecartest.Config{}, nil)
	it.await(t, second.conn)
	it.grow(within(t), t, second.conn, "next")
	close(answer)
	if err := <-late; err == nil {
		t.Error("a command succeeds whose sidecar has no lease")
	}
	it.grow(within(t), t, second.conn, "last")
}

func emits(word string) func(proto.Message) bool {
	return func(in proto.Message) bool {
		m, ok := in.(*eventsourcedpb.EventSourcedStreamIn)
		var request tckevents.Request
		return ok && m.GetCommand() != nil && m.GetCommand().GetPayload().UnmarshalTo(&request) == nil &&
			len(request.GetActions()) > 0 && request.GetActions()[0].GetEmit().GetValue() == word
	}
}
