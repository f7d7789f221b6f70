package replicated_test

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/crdt"
)

// cluster is some nodes with replicas in memory. What one changes the others get
// when the test wants.
type cluster struct {
	mu    sync.Mutex
	nodes []*copies
	log   []batch // of all nodes, in an order in which each may be applied
}

// batch is one change of a node.
type batch struct {
	at     crdt.Dot
	seen   crdt.Clock
	name   mallee.ID
	effect []byte // nil: deleted
}

func newCluster(n int) *cluster {
	c := &cluster{}
	for i := range n {
		c.nodes = append(c.nodes, &copies{
			cluster: c, self: crdt.ReplicaID(i + 1), cells: make(map[mallee.ID]*cell),
			waits: func(context.Context, crdt.Consistency) error { return nil }, refreshes: func(context.Context) error { return nil },
		})
	}
	c.meet(n)
	return c
}

// meet says who the members are: the first n nodes.
func (c *cluster) meet(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, node := range c.nodes {
		for _, cell := range node.cells {
			cell.tell()
		}
		node.electorate = crdt.Electorate{Self: node.self}
		for _, other := range c.nodes[:n] {
			node.electorate.Members = append(node.electorate.Members, other.self)
		}
	}
}

// copies are the replicas of a node.
type copies struct {
	cluster    *cluster
	self       crdt.ReplicaID
	electorate crdt.Electorate
	clock      crdt.Clock
	cells      map[mallee.ID]*cell
	applied    int // of the log
	time       int64
	waits      func(context.Context, crdt.Consistency) error
	refreshes  func(context.Context) error
	broken     error // of changes
}

// cell is one of them.
type cell struct {
	node    *copies
	name    mallee.ID
	value   *crdt.Value
	deleted bool
	watch   []chan struct{}
	changes uint32
}

// Replica makes the copies of a node a Replicas.
func (n *copies) Replica(name mallee.ID) crdt.Replica {
	n.cluster.mu.Lock()
	defer n.cluster.mu.Unlock()
	return n.cell(name)
}

func (n *copies) cell(name mallee.ID) *cell {
	if n.cells[name] == nil {
		n.cells[name] = &cell{node: n, name: name}
	}
	return n.cells[name]
}

// catchUp applies what the others have changed.
func (n *copies) catchUp() {
	n.cluster.mu.Lock()
	defer n.cluster.mu.Unlock()
	for _, b := range n.cluster.log[n.applied:] {
		if b.at.Replica == n.self {
			continue
		}
		c := n.cell(b.name)
		if b.effect == nil {
			c.value, c.deleted = nil, true
		} else if !c.deleted {
			if c.value == nil {
				kind, err := crdt.EffectKind(b.effect)
				must(err)
				c.value = crdt.NewValue(kind)
			}
			if _, err := c.value.Apply(b.at, &b.seen, b.effect); err != nil && !errors.Is(err, crdt.ErrKind) {
				panic(err)
			}
		}
		n.clock.See(b.at)
		c.tell()
	}
	n.applied = len(n.cluster.log)
}

func (c *cell) tell() {
	c.changes++
	for _, w := range c.watch {
		select {
		case w <- struct{}{}:
		default:
		}
	}
}

func (c *cell) lock() func() {
	c.node.cluster.mu.Lock()
	return c.node.cluster.mu.Unlock
}

func (c *cell) Read(f func(v *crdt.Value, e crdt.Electorate)) error {
	defer c.lock()()
	f(c.value, c.node.electorate)
	return nil
}

func (c *cell) Change(d *crdt.Delta) error {
	defer c.lock()()
	n := c.node
	switch {
	case n.broken != nil:
		return n.broken
	case c.deleted:
		return crdt.ErrDeleted
	}
	v := c.value
	if v == nil {
		v = crdt.NewValue(d.Kind)
	}
	n.time++
	at := crdt.Dot{Replica: n.self, Seq: n.clock.Seen(n.self) + 1}
	if err := v.Change(at, n.time, d); err != nil {
		return err
	}
	if c.value = v; !v.Pending() { // an older write of a register
		c.changes++
		return nil
	}
	c.commit(batch{at: at, seen: n.clock.Clone(), name: c.name, effect: v.AppendEffect([]byte{}, at)})
	return nil
}

func (c *cell) commit(b batch) {
	c.node.clock.See(b.at)
	c.node.cluster.log = append(c.node.cluster.log, b)
	c.tell()
}

func (c *cell) Count(crdt.Kind, int64) (int64, error) { panic("not used") }

func (c *cell) Delete() error {
	defer c.lock()()
	if c.deleted {
		return crdt.ErrDeleted
	}
	c.value, c.deleted = nil, true
	c.commit(batch{at: crdt.Dot{Replica: c.node.self, Seq: c.node.clock.Seen(c.node.self) + 1}, seen: c.node.clock.Clone(), name: c.name})
	return nil
}

func (c *cell) Deleted() bool {
	defer c.lock()()
	return c.deleted
}

func (c *cell) Wait(ctx context.Context, level crdt.Consistency) error {
	return c.node.waits(ctx, level)
}
func (c *cell) Refresh(ctx context.Context) error { return c.node.refreshes(ctx) }

func (c *cell) Watch() (<-chan struct{}, func()) {
	defer c.lock()()
	w := make(chan struct{}, 1)
	c.watch = append(c.watch, w)
	return w, func() {
		defer c.lock()()
		c.watch = slices.DeleteFunc(c.watch, func(x chan struct{}) bool { return x == w })
	}
}

func (c *cell) Revision() uint32 {
	defer c.lock()()
	return c.changes
}

// view is what a node has.
func (n *copies) view(name mallee.ID) (w *crdt.View) {
	must(n.Replica(name).Read(func(v *crdt.Value, e crdt.Electorate) { w = v.View(e) }))
	return w
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// lose makes the value one of another kind, as that of another node may do.
func (n *copies) lose(name mallee.ID, k crdt.Kind) {
	n.cluster.mu.Lock()
	defer n.cluster.mu.Unlock()
	c := n.cell(name)
	c.value = crdt.NewValue(k)
	c.tell()
}
