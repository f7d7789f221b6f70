package gossip_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/mallee-io/mallee/crdt"
	"github.com/mallee-io/mallee/internal/replicas/gossip"
)

// fleet is a few nodes, numbered from 1 on like their replicas, whose messages all
// arrive a millisecond later, but for those that lost tells.
type fleet struct {
	t     testing.TB
	now   time.Duration
	nodes []*gossip.Machine
	vals  []*gossip.Values
	lost  func(from, to gossip.Peer, body []byte) bool
}

func newFleet(t testing.TB, n int, c gossip.MachineConfig) *fleet {
	f := &fleet{t: t, lost: func(gossip.Peer, gossip.Peer, []byte) bool { return false }}
	for i := range n {
		v := newReplica(crdt.ReplicaID(i + 1))
		f.vals = append(f.vals, v)
		f.nodes = append(f.nodes, gossip.NewMachine(c, gossip.Peer(i+1), crdt.ReplicaID(i+1), v))
	}
	f.members(n)
	return f
}

// members makes the first n nodes those that are alive.
func (f *fleet) members(n int) {
	var live []gossip.Peer
	for i := range n {
		live = append(live, gossip.Peer(i+1))
	}
	for _, m := range f.nodes {
		m.Members(f.now, live)
	}
}

func (f *fleet) run(d time.Duration) {
	f.t.Helper()
	for end := f.now + d; f.now < end; {
		f.now += time.Millisecond
		for i, m := range f.nodes {
			m.Tick(f.now)
			for _, e := range m.Outbox() {
				if from := gossip.Peer(i + 1); !f.lost(from, e.To, e.Body) {
					if err := f.nodes[e.To-1].Receive(f.now, from, e.Body); err != nil {
						f.t.Fatalf("node %d, of node %d: %v", e.To, from, err)
					}
				}
			}
		}
	}
}

func (f *fleet) count(node int, name string) {
	f.t.Helper()
	_, err := f.vals[node-1].Open(name).Count(crdt.KindPNCounter, 1)
	must(f.t, err)
}

func (f *fleet) equal() {
	f.t.Helper()
	for _, v := range f.vals[1:] {
		if got, want := dump(f.t, v), dump(f.t, f.vals[0]); got != want {
			f.t.Fatalf("nodes are different:\n%s\n%s", got, want)
		}
	}
}

// While nothing is lost nothing is sent twice, and nothing is kept that all have.
func TestMachineSendsOnce(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3, gossip.MachineConfig{})
	for i := range 500 {
		f.count(1+i%3, fmt.Sprint("counter", i%7))
		f.run(time.Millisecond)
	}
	f.run(2 * time.Second)
	for _, m := range f.nodes {
		c := f.vals[0].Clock()
		m.Durable(&c)
	}
	f.equal()
	for i, m := range f.nodes {
		if s := m.Figures(); s.Resent > 0 || s.Retained > 0 || s.Transfers > 0 || s.Lag > 0 || s.Sent == 0 {
			t.Errorf("node %d: %+v", i+1, s)
		}
	}
}

// A node tells the others whom it speaks to.
func TestMachineIntroduces(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3, gossip.MachineConfig{})
	f.nodes[0].Members(f.now, []gossip.Peer{1, 2, 3})
	f.nodes[1].Members(f.now, []gossip.Peer{1, 2})
	f.nodes[2].Members(f.now, []gossip.Peer{1, 3})
	f.run(time.Second)
	for i, want := range []gossip.Peer{3, 2} {
		if got := f.nodes[i+1].Introduced(); !slices.Contains(got, want) {
			t.Errorf("node %d has heard of %v, want %d", i+2, got, want)
		}
		if got := f.nodes[i+1].Introduced(); len(got) > 0 {
			t.Errorf("node %d has heard of %v again", i+2, got)
		}
	}
	f.members(3)
	f.run(time.Second)
	for i, m := range f.nodes {
		if got := m.Introduced(); len(got) > 0 {
			t.Errorf("node %d hears of %v, which are members", i+1, got)
		}
	}
}

// What was lost is sent again; what is not kept any more comes with the whole state.
func TestMachineFillsGaps(t *testing.T) {
	t.Parallel()
	for _, c := range []gossip.MachineConfig{{}, {MaxRetained: 2000}} {
		f := newFleet(t, 3, c)
		f.run(time.Second)
		f.lost = func(_, to gossip.Peer, _ []byte) bool { return to == 3 }
		for i := range 100 {
			f.count(1+i%2, fmt.Sprint("counter", i%9))
			f.run(5 * time.Millisecond)
		}
		if have, members := f.nodes[0].Reached(50); have != 2 || members != 3 {
			t.Errorf("%d of %d have a batch that one cannot have", have, members)
		}
		if n := f.nodes[0].Figures().Lag; n != 100 {
			t.Errorf("the lag is %d", n)
		}
		f.lost = func(gossip.Peer, gossip.Peer, []byte) bool { return false }
		f.run(5 * time.Second)
		f.equal()
		if s := f.nodes[2].Figures(); (s.Transfers > 0) != (c.MaxRetained > 0) {
			t.Errorf("retained %d: %d transfers", c.MaxRetained, s.Transfers)
		}
		for _, m := range f.nodes {
			if s := m.Figures(); c.MaxRetained > 0 && s.Retained > c.MaxRetained {
				t.Errorf("%d bytes are retained", s.Retained)
			}
		}
	}
}

// A newcomer changes nothing before it has what the others have. A node that does not
// answer is not asked for ever.
func TestMachineFetches(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3, gossip.MachineConfig{MaxMessage: 500})
	for i := range 300 {
		f.count(1, fmt.Sprint("counter", i))
	}
	f.run(time.Second)
	f.vals[2] = gossip.NewValues(func() int64 { return 0 })
	f.nodes[2] = gossip.NewMachine(gossip.MachineConfig{}, 3, 4, f.vals[2])
	f.members(3)
	f.lost = func(from, _ gossip.Peer, _ []byte) bool { return from == 2 }
	f.nodes[2].Fetch(f.now, 2)
	if _, err := f.vals[2].Open("counter1").Count(crdt.KindPNCounter, 1); !errors.Is(err, gossip.ErrNotBegun) {
		t.Errorf("a change before the values are here: %v", err)
	}
	for i := range 2000 {
		f.count(1, fmt.Sprint("counter", i%500))
		f.run(10 * time.Millisecond)
		if f.nodes[2].Synced() {
			break
		}
	}
	f.count(3, "counter1")
	f.lost = func(gossip.Peer, gossip.Peer, []byte) bool { return false }
	f.run(5 * time.Second)
	f.equal()
}

// A question is answered when a majority has answered, and what they had is here.
func TestMachineAsks(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3, gossip.MachineConfig{})
	f.run(time.Second)
	batches := func(body []byte) bool { return body[1] == 1 }
	f.lost = func(_, to gossip.Peer, body []byte) bool { return to == 3 && batches(body) }
	f.count(1, "counter")
	f.run(20 * time.Millisecond)
	q := f.nodes[2].Ask(f.now)
	f.run(time.Second)
	if f.nodes[2].Heard(q) {
		t.Error("the question is answered, and a batch is missing")
	}
	f.lost = func(from, to gossip.Peer, _ []byte) bool { return from == 2 || to == 2 }
	f.run(2 * time.Second)
	if !f.nodes[2].Heard(q) || total(t, f.vals[2].Open("counter")) != 1 {
		t.Error("the question is not answered, and one of two others can be heard")
	}
	f.lost = func(gossip.Peer, gossip.Peer, []byte) bool { return true }
	q = f.nodes[2].Ask(f.now)
	f.run(time.Second)
	if f.nodes[2].Heard(q) {
		t.Error("a node alone has answered itself")
	}
}

// Who has been removed is told so, and nothing of it is taken any more; its part of
// counters stays.
func TestMachineRemoves(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3, gossip.MachineConfig{RemoveAfter: 10 * time.Second})
	for i := range 3 {
		f.count(i+1, "counter")
	}
	census := gossip.Census{Given: []crdt.ReplicaID{1, 2, 3}, Last: 3}
	keep := func(d time.Duration) (gone []crdt.ReplicaID) {
		for range d / time.Second {
			f.run(time.Second)
			clock := f.vals[0].Clock()
			f.nodes[0].Durable(&clock)
			census.Base = clock
			if gone, _ = f.nodes[0].Census(f.now, &census); len(gone) > 0 {
				return gone
			}
		}
		return nil
	}
	f.run(time.Second)
	f.members(2)
	f.lost = func(from, to gossip.Peer, _ []byte) bool { return from == 3 || to == 3 }
	f.count(3, "counter") // nobody hears of it
	if gone := keep(9 * time.Second); gone != nil {
		t.Fatalf("replicas %d are removed too early", gone)
	}
	if gone := keep(5 * time.Second); !slices.Equal(gone, []crdt.ReplicaID{3}) {
		t.Fatalf("replicas %d can be removed", gone)
	}
	census.Given = []crdt.ReplicaID{1, 2}
	keep(3 * time.Second)
	for i := range 2 {
		if c := f.vals[i].Clock(); !c.Forgotten(3) || total(t, f.vals[i].Open("counter")) != 3 || f.nodes[i].Figures().Removed != 1 {
			t.Errorf("node %d has not forgotten the replica, or what it has counted", i+1)
		}
	}
	f.lost = func(gossip.Peer, gossip.Peer, []byte) bool { return false }
	f.members(3)
	f.run(time.Second)
	if !f.nodes[2].Removed() || f.nodes[0].Removed() {
		t.Error("the replica has not heard that it has been removed")
	}
	if n := total(t, f.vals[0].Open("counter")); n != 3 {
		t.Errorf("the counter is %d", n)
	}
}

// Who has said goodbye is removed at once, when all that it has done is here.
func TestMachineLeaves(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3, gossip.MachineConfig{})
	f.run(time.Second)
	f.lost = func(from, to gossip.Peer, body []byte) bool { return from == 3 && body[1] == 1 }
	f.count(3, "counter")
	f.nodes[2].Leave(f.now)
	f.run(50 * time.Millisecond)
	f.members(2)
	census := gossip.Census{Given: []crdt.ReplicaID{1, 2, 3}, Last: 3}
	removable := func() bool {
		for range 5 {
			f.run(time.Second)
			clock := f.vals[0].Clock()
			f.nodes[0].Durable(&clock)
			census.Base = clock
			if gone, _ := f.nodes[0].Census(f.now, &census); len(gone) > 0 {
				return true
			}
		}
		return false
	}
	if removable() {
		t.Error("a replica that has left can be removed before its last batch is here")
	}
	f.members(3)
	f.lost = func(gossip.Peer, gossip.Peer, []byte) bool { return false }
	f.run(time.Second)
	f.members(2)
	if !removable() {
		t.Error("a replica that has left is not removed")
	}
}

// A replica is not folded while somebody lacks what another one may have done without
// having seen all of it, or while the store would have to apply that again.
func TestMachineFoldsWhatIsStable(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 4, gossip.MachineConfig{})
	f.count(4, "counter")
	f.nodes[3].Leave(f.now)
	f.run(time.Second)
	f.members(3)
	f.lost = func(_, to gossip.Peer, body []byte) bool { return to == 3 && body[1] == 1 }
	f.count(2, "counter")
	f.run(time.Second)
	census := gossip.Census{Given: []crdt.ReplicaID{1, 2, 3, 4}, Last: 4}
	ask := func(what string, gone, checkpoint bool) {
		t.Helper()
		f.run(2 * time.Second)
		ids, base := f.nodes[0].Census(f.now, &census)
		if len(ids) > 0 != gone || base != checkpoint {
			t.Errorf("%s: %d can be removed, and a checkpoint is wanted: %t", what, ids, base)
		}
	}
	ask("node 3 lacks a batch of node 2", false, false)
	f.lost = func(gossip.Peer, gossip.Peer, []byte) bool { return false }
	ask("the last checkpoint lacks it", false, true)
	census.Base = f.vals[0].Clock()
	ask("all have it", true, false)
}

// What a checkpoint that is under way needs is kept, though all have it.
func TestMachineKeeps(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 2, gossip.MachineConfig{})
	since := f.vals[0].Clock()
	kept := func() bool {
		f.run(time.Second)
		all := f.vals[0].Clock()
		f.nodes[0].Durable(&all)
		_, _, ok := f.nodes[0].Since(f.now, &since)
		return ok
	}
	f.nodes[0].Keep(&since)
	f.count(1, "counter")
	f.count(2, "counter")
	if !kept() {
		t.Error("what is to be kept is not")
	}
	f.nodes[0].Keep(nil)
	if kept() {
		t.Error("it is kept for ever")
	}
}

// What makes no sense is refused and changes nothing; what comes too early takes
// bounded memory.
func TestMachineIsBounded(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 2, gossip.MachineConfig{MaxRetained: 80_000})
	f.run(time.Second)
	for _, body := range [][]byte{nil, {1}, {2, 1, 1}, {1, 99, 1}, {1, 1}, {1, 1, 0}, {1, 1, 2, 9, 9}, {1, 2, 2, 255}, {1, 3, 2}, {1, 2, 1}} {
		if err := f.nodes[0].Receive(f.now, 2, body); err == nil {
			t.Errorf("%v is taken", body)
		}
	}
	for seq := range uint64(10_000) {
		body := binary.AppendUvarint([]byte{1, 1}, 2)
		body = gossip.AppendBatch(body, &gossip.Batch{At: crdt.Dot{Replica: 2, Seq: seq + 2}})
		must(t, f.nodes[0].Receive(f.now, 2, body))
	}
	if n := f.nodes[0].Figures().Early; n == 0 || n > 10_000 {
		t.Errorf("%d bytes wait for a batch that does not come", n)
	}
}

// FuzzMachine gives a machine whatever bytes, as if a node had sent them.
func FuzzMachine(f *testing.F) {
	fleet := newFleet(f, 3, gossip.MachineConfig{MaxMessage: 300})
	fleet.lost = func(_, to gossip.Peer, body []byte) bool {
		if to == 1 {
			f.Add(body)
		}
		return false
	}
	for i := range 30 {
		fleet.count(1+i%3, fmt.Sprint("counter", i%9))
		fleet.nodes[1].Ask(fleet.now)
		fleet.nodes[i%2].Fetch(fleet.now, 3)
		fleet.nodes[2].Fetch(fleet.now, 1)
		fleet.run(5 * time.Millisecond)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		fleet := newFleet(t, 2, gossip.MachineConfig{MaxRetained: 10_000})
		m := fleet.nodes[0]
		fleet.count(1, "counter")
		m.Fetch(0, 2)
		m.Tick(0)
		_ = m.Receive(time.Second, 2, body)
		_ = m.Receive(time.Second, 2, body)
		m.Tick(2 * time.Second)
		bytes := 0
		for _, e := range m.Outbox() {
			bytes += len(e.Body)
		}
		if bytes > 100_000 {
			t.Errorf("%d bytes are sent", bytes)
		}
		_ = m.Figures()
	})
}

// What 50,000 changes a second on three nodes cost in all: each op is what happens in
// 5 ms, when each node ends a batch of 83 changes, and gets those of the others.
func BenchmarkMachine(b *testing.B) {
	f := newFleet(b, 3, gossip.MachineConfig{})
	f.run(2 * time.Second)
	b.ReportAllocs()
	for b.Loop() {
		for i := range 250 {
			f.count(1+i%3, counters[i%len(counters)])
		}
		f.run(5 * time.Millisecond)
		c := f.vals[0].Clock()
		f.nodes[0].Durable(&c)
	}
	for i, m := range f.nodes {
		if s := m.Figures(); s.Resent > 0 {
			b.Errorf("node %d: %+v", i+1, s)
		}
	}
}

var counters = []string{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"}
