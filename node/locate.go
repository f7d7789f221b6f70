package node

import (
	"context"
	"sync"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/activation"
	"github.com/mallee-io/mallee/placement"
)

// maxLocations bounds the cache of where actors of other nodes live.
const maxLocations = 100_000

// locations remembers owners on other nodes. A wrong entry costs one hop: the
// node that is asked answers who owns the actor now.
type locations struct {
	mu     sync.RWMutex
	owners map[mallee.ID]location
	hosts  map[placement.NodeID]*host // of the entries, but for lost ones
}

// location is an owner, and what is known of its node.
type location struct {
	placement.Grant
	at *host
}

// host is a node that entries point to, so that to lose it is one step,
// whatever it owned.
type host struct {
	lost bool // guarded by locations.mu
	n    int  // entries
}

func (l *locations) init() {
	l.owners = make(map[mallee.ID]location)
	l.hosts = make(map[placement.NodeID]*host)
}

func (l *locations) get(id mallee.ID) (placement.Grant, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	g, ok := l.owners[id]
	return g.Grant, ok && !g.at.lost
}

func (l *locations) put(id mallee.ID, g placement.Grant) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.owners) >= maxLocations {
		for victim := range l.owners { // any: the order of a map is random
			l.remove(victim)
			break
		}
	}
	l.remove(id)
	at := l.hosts[g.Node]
	if at == nil {
		at = &host{}
		l.hosts[g.Node] = at
	}
	at.n++
	l.owners[id] = location{g, at}
}

// drop forgets what turned out to be wrong, unless it has been mended already.
func (l *locations) drop(id mallee.ID, wrong placement.Grant) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.owners[id].Grant == wrong {
		l.remove(id)
	}
}

// lost makes all entries of a node miss; they make room as they are met.
func (l *locations) lost(node placement.NodeID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at := l.hosts[node]; at != nil {
		at.lost = true
		delete(l.hosts, node)
	}
}

// remove is called with mu held.
func (l *locations) remove(id mallee.ID) {
	old, ok := l.owners[id]
	if !ok {
		return
	}
	delete(l.owners, id)
	if old.at.n--; old.at.n == 0 && !old.at.lost {
		delete(l.hosts, old.Node)
	}
}

// locate finds the owner of the actor that a call is for.
func (n *Node) locate(ctx context.Context, q *activation.Request) (placement.Grant, error) {
	if g, ok := n.where.get(q.ID); ok {
		return g, nil
	}
	n.counts.lookups.Add(1)
	ctx, cancel := context.WithDeadline(ctx, q.End)
	defer cancel()
	g, err := n.lookUp(ctx, q.ID)
	if err != nil {
		return placement.Grant{}, err
	}
	if g.Node != n.ID() && g.Epoch != 0 {
		n.where.put(q.ID, g)
	}
	return g, nil
}

// lookUp asks the placement driver for the owner of an actor.
func (n *Node) lookUp(ctx context.Context, id mallee.ID) (placement.Grant, error) {
	g, err := n.config.Placement.Locate(ctx, n.ID(), id)
	if err == nil && g.Node != n.ID() {
		n.carried.outdate(id, g.Epoch)
	}
	return g, err
}

// release gives the grant of a stopped activation back.
func (n *Node) release(id mallee.ID, epoch uint64) { n.releaseTo(id, epoch, 0) }

// releaseTo gives it back for another node. A node that has ended gives nothing
// back: after Abort grants end with the lease, as after a crash.
func (n *Node) releaseTo(id mallee.ID, epoch uint64, to placement.NodeID) {
	if n.ended.Err() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(n.ended, n.config.CallTimeout)
	defer cancel()
	err := n.config.Placement.Release(ctx, id, placement.Grant{Node: n.ID(), Epoch: epoch}, to)
	if err != nil { // the grant ends with the lease
		n.config.Log.Warn("grant not released", "actor", id, "error", err)
	}
}
