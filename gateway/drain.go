package gateway

import (
	"context"
	"fmt"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/gateway/internal/handover"
	"github.com/mallee-io/mallee/internal/sessions"
	"github.com/mallee-io/mallee/wire/edge"
)

// drainPoll is how often Drain looks whether everybody has left.
const drainPoll = 50 * time.Millisecond

// Drain lets nobody new in, and tells the clients that speak frames to come back
// within Config.DrainSpread, by another gateway, which takes their sessions over
// from this one. It returns when all of these have left, or that time and the
// half of it are over, or ctx ends. Others stay until Stop.
func (g *Gateway) Drain(ctx context.Context) error {
	if g.draining.CompareAndSwap(false, true) {
		g.log.Info("the gateway drains", "sessions", g.sessions.count(), "spread", g.config.DrainSpread)
		move, err := edge.Encode(edge.Move{Within: g.config.DrainSpread.Milliseconds(), URLs: g.config.MoveTo})
		if err != nil {
			return fmt.Errorf("drain gateway: %w", err)
		}
		for _, s := range g.sessions.all() {
			s.mu.Lock()
			if s.state == online {
				s.send(edge.KindMove, move)
			}
			s.mu.Unlock()
		}
	}
	late := time.NewTimer(g.config.DrainSpread * 3 / 2)
	defer late.Stop()
	poll := time.NewTicker(drainPoll)
	defer poll.Stop()
	for g.movable() {
		select {
		case <-poll.C:
		case <-late.C:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("drain gateway: %w", mallee.AsError(ctx.Err()))
		}
	}
	return nil
}

// movable reports whether there are clients that were told to move and have not.
func (g *Gateway) movable() bool {
	for _, s := range g.sessions.all() {
		s.mu.Lock()
		here := !s.plain && s.state < taken
		s.mu.Unlock()
		if here {
			return true
		}
	}
	return false
}

// Stop closes what is left with edge.CodeDrain, tells the actors, and returns
// when they know, or ctx has ended. Listeners are the caller's to close. It may
// be called again.
func (g *Gateway) Stop(ctx context.Context) error {
	g.draining.Store(true)
	for _, conn := range g.arriving.close() {
		g.close(conn, edge.CodeDrain, "the gateway stops")
	}
	for _, s := range g.sessions.all() {
		s.mu.Lock()
		s.finish(mallee.DisconnectLost, edge.CodeDrain, "the gateway stops")
		s.mu.Unlock()
	}
	told := make(chan struct{})
	go func() {
		g.arriving.served.Wait()
		g.alive.Wait()
		close(told)
	}()
	err := g.retire(ctx)
	select {
	case <-told:
	case <-ctx.Done():
		err = fmt.Errorf("stop gateway: %w", mallee.AsError(ctx.Err()))
	}
	g.stopping.Do(g.detach)
	g.end()
	<-g.swept
	return err
}

// retire lets the other gateways do without this one: what nodes have sent to
// sessions that are there now has been passed on when it returns.
func (g *Gateway) retire(ctx context.Context) error {
	if !g.moves.active() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, takeTimeout)
	defer cancel()
	nodes, err := g.config.Node.Members(ctx)
	if err != nil {
		return fmt.Errorf("stop gateway: %w", err)
	}
	g.routed(func(t *handover.Table) []handover.Effect { return t.Retire(nodes) })
	poll := time.NewTicker(drainPoll)
	defer poll.Stop()
	for g.retiring() || g.posts.count() > 0 {
		select {
		case <-poll.C:
		case <-ctx.Done():
			return fmt.Errorf("stop gateway: what has come for sessions at other gateways may be lost: %w", mallee.AsError(ctx.Err()))
		}
	}
	return nil
}

func (g *Gateway) retiring() bool {
	g.moves.mu.Lock()
	defer g.moves.mu.Unlock()
	return g.moves.table.Retiring()
}

// retireFor does the same for some sessions, of a gateway that stops.
func (g *Gateway) retireFor(o *sessions.Moves) {
	ctx, cancel := context.WithTimeout(g.ended, takeTimeout)
	defer cancel()
	nodes, err := g.config.Node.Members(ctx)
	if err != nil {
		g.log.Warn("another gateway stops, and what comes for sessions that were there may be lost", "sessions", len(o.Moved), "error", err)
		return
	}
	g.each(o, func(t *handover.Table, m sessions.Relocation) []handover.Effect { return t.RetireOne(m.From, nodes) })
}
