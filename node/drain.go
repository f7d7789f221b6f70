package node

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/placement"
)

// drainPause is how long a drain waits before it tries anew what could not move.
const drainPause = time.Second

// drain moves all actors away while the node is cordoned.
func (n *Node) drain() {
	defer n.draining.Store(false)
	_ = n.renew(n.ended) // or the placement driver might send new ones meanwhile
	pause := time.NewTicker(drainPause)
	defer pause.Stop()
	for n.cordoned.Load() {
		moved, left := n.moveAway(n.ended)
		switch {
		case moved+left == 0:
			return
		case left == 0: // more may come by grants that were on their way
			continue
		}
		select {
		case <-pause.C:
		case <-n.ended.Done():
			return
		}
	}
}

// moveOut moves the actors of a node that stops, also those that were on their
// way to it.
func (n *Node) moveOut(ctx context.Context) {
	arriving, cancel := context.WithTimeout(ctx, 2*handoffTimeout)
	defer cancel()
	n.carried.wait(arriving)
	for moved := int64(1); moved > 0 && ctx.Err() == nil; {
		moved, _ = n.moveAway(ctx)
	}
}

// moveAway moves what can be moved to the nodes that the placement driver
// names. left are the actors that it met and that have not moved.
func (n *Node) moveAway(ctx context.Context) (moved, left int64) {
	var alone sync.Map // types that nobody else can take
	var all, gone atomic.Int64
	var moves errgroup.Group
	moves.SetLimit(maxMoves)
	n.runtime.Each(func(id mallee.ID, epoch uint64) {
		all.Add(1)
		if _, stays := alone.Load(id.Type); stays || !n.leaving() || ctx.Err() != nil {
			return
		}
		moves.Go(func() error {
			to, err := n.config.Placement.Successor(ctx, n.ID(), id)
			if err != nil {
				alone.Store(id.Type, true)
			} else if n.move(ctx, id, placement.Grant{Node: n.ID(), Epoch: epoch}, to) {
				gone.Add(1)
			}
			return nil
		})
	})
	_ = moves.Wait()
	return gone.Load(), all.Load() - gone.Load()
}

// leaving reports whether the node is to have no actors.
func (n *Node) leaving() bool { return n.cordoned.Load() || n.stopping.Load() }
