package node

import (
	"context"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/activation"
	"github.com/mallee-io/mallee/internal/transport"
	"github.com/mallee-io/mallee/placement"
)

const (
	maxMoves = 64   // actors that move away at a time
	maxAsked = 4096 // moves that the placement driver wants and that wait

	// handoffTimeout is how long callers of an actor that moves wait for the
	// other node at most.
	handoffTimeout = time.Second
)

// departure is an actor on its way to another node.
type departure struct {
	node  *Node
	id    mallee.ID
	grant placement.Grant  // under which it lives here
	to    placement.NodeID // 0: where the placement driver wants it
	ended chan struct{}    // closed when it has no activation here any more
}

var _ activation.Mover = (*departure)(nil)

// move gives an actor to another node and returns when that one has it. It does
// nothing, and reports false, when the grant is not in force any more.
func (n *Node) move(ctx context.Context, id mallee.ID, g placement.Grant, to placement.NodeID) bool {
	select {
	case n.moves <- struct{}{}:
		defer func() { <-n.moves }()
	case <-ctx.Done():
		return false
	}
	d := &departure{n, id, g, to, make(chan struct{})}
	table := n.runtime.Table(id.Type)
	if g.Node != n.ID() || table == nil || !table.Migrate(id.Key, g.Epoch, d) {
		return false
	}
	select {
	case <-d.ended:
	case <-ctx.Done():
		return false
	}
	n.counts.movesOut.Add(1)
	if d.to != 0 {
		d.wake(ctx)
	}
	return true
}

// Carry sends what the actor takes along, before the other node may activate
// it. A node that cannot take it, since it is about to leave too, is not the one
// to move to: another is tried.
func (d *departure) Carry(ctx context.Context, state []byte) {
	ctx, cancel := context.WithTimeout(ctx, handoffTimeout)
	defer cancel()
	m := &transport.Message{Kind: transport.Handoff, Actor: d.id, Timeout: handoffTimeout, Owner: d.grant, Body: state}
	err := d.node.ask(ctx, d.to, m)
	if err == nil {
		return
	}
	if d.to, _ = d.node.config.Placement.Successor(ctx, d.grant.Node, d.id); d.to != 0 {
		if err = d.node.ask(ctx, d.to, m); err == nil {
			return
		}
	}
	d.node.config.Log.Error("the actor moves without what it has in memory", "actor", d.id, "error", err)
	d.to = 0
	_ = d.node.carried.put(d.node, m) // it may come back; there may be no room for it
}

// Release flips the grant.
func (d *departure) Release() {
	d.node.releaseTo(d.id, d.grant.Epoch, d.to)
	close(d.ended)
}

// wake lets the other node activate the actor without waiting for a call. That
// node may ask before the placement driver has heard of the release.
func (d *departure) wake(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, handoffTimeout)
	defer cancel()
	wait := backoff{end: time.Now().Add(handoffTimeout)}
	err := d.poke(ctx)
	for movedTo(err) == d.grant && wait.next(ctx, d.node.ended) {
		err = d.poke(ctx)
	}
	if err != nil { // the next call does it
		d.node.config.Log.Debug("the actor has moved and is not active yet", "actor", d.id, "to", d.to, "error", err)
	}
}

func (d *departure) poke(ctx context.Context) error {
	return d.node.ask(ctx, d.to, &transport.Message{Kind: transport.Activate, Actor: d.id, Timeout: handoffTimeout, Owner: d.grant})
}
