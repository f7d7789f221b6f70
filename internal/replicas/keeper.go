package replicas

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/crdt"
	"github.com/mallee-io/mallee/internal/activation"
	"github.com/mallee-io/mallee/placement"
)

//go:generate go run github.com/mallee-io/mallee/cmd/mallee generate

// MalleeReplicas gives out the IDs of replicas and keeps their values in the store.
// There is one, under keeperKey. It writes what the replica of its node has.
//
//mallee:actor
type MalleeReplicas interface {
	// Join gives a node the ID of a new replica, and names the node from which it gets
	// the values. When that is itself, it has them, and an ID, already.
	Join(ctx context.Context, node uint64) (id, source uint64, err error)
	// Return reports whether a replica still is one, whose node has got another ID.
	Return(ctx context.Context, id uint64) (known bool, err error)
	// Flush returns when the store has all that a clock says, and tells what it has.
	Flush(ctx context.Context, clock []byte) (durable []byte, err error)
}

const keeperKey = "keeper"

// keeper is the actor. Its turns wait, and a goroutine does what there is to do: many
// turns are served by one write, and what takes long, such as to load all values, is
// in no turn.
type keeper struct {
	self    *mallee.Self
	service *Service
	ctx     context.Context
	end     context.CancelFunc
	ended   chan struct{} // closed when the goroutine has ended

	writing sync.Mutex // held for each use of the ledger
	ledger  *ledger
	life    *life       // the replica of this node, which has what the store has
	open    *checkpoint // under way
	due     bool        // one is to begin

	mu      sync.Mutex
	opened  bool
	err     error         // why it has ended
	wanted  crdt.Clock    // what turns wait for
	durable crdt.Clock    // what the store has
	changed chan struct{} // closed when one of the above has changed, but for wanted
	wake    chan struct{} // a hint that wanted has changed
}

// keeperIdle is for ever: the keeper has something to do while nobody calls it.
const keeperIdle = 1 << 62 // nanoseconds

// Types adds the keeper to actor types; the types that were given stay as they are.
func (s *Service) Types(types []mallee.Type) []mallee.Type {
	if !s.config.Keeps {
		return types
	}
	keeper := MalleeReplicasType(s.newKeeper, func(t *mallee.Type) {
		t.Interleave, t.Last, t.IdleTimeout = true, true, keeperIdle
		t.Release = func(actor any) { actor.(*keeper).end() }
	})
	return append(types[:len(types):len(types)], keeper)
}

func (s *Service) newKeeper(self *mallee.Self) MalleeReplicas {
	k := &keeper{self: self, service: s, ended: make(chan struct{}), changed: make(chan struct{}), wake: make(chan struct{}, 1)}
	k.ctx, k.end = context.WithCancel(s.ctx)
	return k
}

// OnActivate begins what the keeper does besides its turns.
func (k *keeper) OnActivate(context.Context) error {
	go k.run()
	return nil
}

// OnDeactivate writes what the other actors of the node have changed when they ended,
// if there is no other keeper to come. It lets a write end that is under way: the next
// keeper need not win against it.
func (k *keeper) OnDeactivate(ctx context.Context, reason mallee.Reason) (err error) {
	if reason == mallee.ReasonStopping {
		k.service.values.End()
		all := k.service.all()
		k.want(&all)
		err = k.until(ctx, func() bool { return k.durable.Includes(&all) })
	}
	k.end()
	select {
	case <-k.ended:
		return err
	case <-ctx.Done():
		return errors.Join(err, ctx.Err())
	}
}

// Join implements MalleeReplicas.
func (k *keeper) Join(ctx context.Context, node uint64) (id, source uint64, err error) {
	defer lend(ctx, "Join")()
	if err := k.until(ctx, func() bool { return k.opened }); err != nil {
		return 0, 0, err
	}
	own := k.service.config.Self()
	if placement.NodeID(node) == own {
		return 0, node, nil
	}
	k.writing.Lock()
	defer k.writing.Unlock()
	fresh, err := k.ledger.give(ctx)
	if err != nil {
		return 0, 0, mallee.ErrStorage.Errorf("give out the ID of a replica: %v", err)
	}
	return uint64(fresh), uint64(own), nil
}

// Return implements MalleeReplicas.
func (k *keeper) Return(ctx context.Context, id uint64) (known bool, err error) {
	defer lend(ctx, "Return")()
	if err := k.until(ctx, func() bool { return k.opened }); err != nil {
		return false, err
	}
	k.writing.Lock()
	defer k.writing.Unlock()
	known = slices.Contains(k.ledger.head.Given, crdt.ReplicaID(id))
	if known {
		k.service.returned(k.life, crdt.ReplicaID(id))
	}
	return known, nil
}

// Flush implements MalleeReplicas.
func (k *keeper) Flush(ctx context.Context, clock []byte) (durable []byte, err error) {
	need, rest, err := crdt.ParseClock(clock)
	if err != nil || len(rest) > 0 {
		return nil, mallee.ErrInvalid.Errorf("what is to be flushed is no clock: %v", err)
	}
	defer lend(ctx, "Flush")()
	if err := k.until(ctx, func() bool { return k.opened }); err != nil {
		return nil, err
	}
	if err := k.service.have(ctx, k.life, &need); err != nil {
		return nil, err
	}
	k.want(&need)
	if err := k.until(ctx, func() bool { return k.durable.Includes(&need) }); err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.durable.Append(nil), nil
}

// lend lets other turns run until the function that it returns is called.
func lend(ctx context.Context, method string) (reclaim func()) {
	t := activation.From(ctx)
	t.Lend(keeperID, method)
	return t.Reclaim
}

var keeperID = mallee.ID{Type: "MalleeReplicas", Key: keeperKey}

// until waits for what is guarded by mu.
func (k *keeper) until(ctx context.Context, done func() bool) error {
	for {
		k.mu.Lock()
		changed, err := k.changed, k.err
		ok := err == nil && done()
		k.mu.Unlock()
		if ok || err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (k *keeper) want(c *crdt.Clock) {
	k.mu.Lock()
	k.wanted.Merge(c)
	k.mu.Unlock()
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// tell changes what turns wait for.
func (k *keeper) tell(change func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	change()
	close(k.changed)
	k.changed = make(chan struct{})
}

// errKeeperEnded says nothing of what was asked for: the next keeper is asked again.
var errKeeperEnded = mallee.ErrUnavailable.Errorf("the keeper of the replicated values has ended")

// run is the goroutine.
func (k *keeper) run() {
	defer close(k.ended)
	ctx := k.ctx
	err := k.prepare(ctx)
	if err == nil {
		err = k.work(ctx)
		k.service.keep(k.life, nil)
	}
	if ctx.Err() != nil {
		err = errKeeperEnded
	} else {
		k.self.Log().Error("the replicated values are not kept for now", "error", err)
		err = mallee.ErrStorage.Errorf("keep the replicated values: %v", err)
	}
	k.tell(func() { k.err = err })
	k.self.DeactivateNow()
}

// prepare makes the node's replica have all that the store has.
func (k *keeper) prepare(ctx context.Context) (err error) {
	a := k.self.Activation()
	if k.ledger, err = openLedger(ctx, a.Store(), a.Write); err != nil {
		return err
	}
	if k.life, err = k.service.host(ctx, k.ledger); err != nil {
		return err
	}
	k.announce()
	k.tell(func() { k.opened = true })
	return nil
}

// announce says what the store has.
func (k *keeper) announce() {
	durable := k.ledger.durable.Clone()
	k.service.noteDurable(k.life, &durable)
	k.tell(func() { k.durable = durable })
}

// work does what there is to do.
func (k *keeper) work(ctx context.Context) error {
	ticker := time.NewTicker(censusEvery)
	defer ticker.Stop()
	for count := true; ; {
		busy, err := k.step(ctx, count)
		if err != nil || ctx.Err() != nil {
			return err
		}
		if count = false; busy {
			continue
		}
		select {
		case <-k.wake:
		case <-ticker.C:
			count = true
		case <-k.life.over:
			return errRemoved
		case <-ctx.Done():
			return nil
		}
	}
}

// censusEvery is how often the keeper looks for replicas that do not come back.
const censusEvery = time.Second

// step does one thing: to flush comes first, a checkpoint last. It reports whether
// there is more to do.
func (k *keeper) step(ctx context.Context, count bool) (busy bool, err error) {
	k.writing.Lock()
	defer k.writing.Unlock()
	l := k.ledger
	if count {
		if err := k.census(ctx); err != nil {
			return false, err
		}
	}
	if k.wants() {
		if err := k.flush(ctx); err != nil {
			return false, err
		}
	}
	switch {
	case len(l.stale) > 0:
		return true, l.clean(ctx)
	case k.open != nil:
		return true, k.advance(ctx)
	case k.due || l.bytes > max(l.whole, k.service.config.CheckpointAfter) || len(l.log) > maxLog:
		k.due = false
		return true, k.begin(ctx)
	}
	return false, nil
}

func (k *keeper) wants() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.err == nil && !k.durable.Includes(&k.wanted)
}

// flush writes all that the node's replica has and the store has not. What is not to
// be had as batches any more takes a checkpoint.
func (k *keeper) flush(ctx context.Context) error {
	batches, clock, ok := k.service.since(k.life, &k.ledger.durable)
	if !ok {
		k.due = k.open == nil
		return nil
	}
	if err := k.ledger.append(ctx, batches, &clock); err != nil {
		return err
	}
	k.announce()
	return nil
}

// begin begins a checkpoint. What is flushed while it is under way belongs behind it,
// too.
func (k *keeper) begin(ctx context.Context) (err error) {
	if k.open, err = k.ledger.begin(ctx, k.service.values); err == nil {
		k.service.keep(k.life, &k.open.base)
	}
	return err
}

// advance goes on with the checkpoint. One that does not fit together any more is
// begun anew.
func (k *keeper) advance(ctx context.Context) error {
	done, err := k.open.step(ctx)
	if err != nil || !done {
		return err
	}
	c := k.open
	k.open, k.due = nil, true
	batches, clock, ok := k.service.since(k.life, &c.base)
	k.service.keep(k.life, nil)
	if !ok || c.folded() {
		k.self.Log().Warn("a checkpoint of the replicated values begins anew: too much has changed meanwhile")
		return nil
	}
	k.due = false
	if err := k.ledger.complete(ctx, c, batches, &clock); err != nil {
		return err
	}
	k.announce()
	return nil
}

// census removes the replicas that do not come back.
func (k *keeper) census(ctx context.Context) error {
	l := k.ledger
	gone, checkpoint := k.service.census(k.life, l)
	k.due = k.due || checkpoint && k.open == nil
	if len(gone) == 0 {
		return nil
	}
	if err := l.forget(ctx, gone); err != nil {
		return err
	}
	k.self.Log().Info("replicas that do not come back are removed", "replicas", gone)
	k.service.census(k.life, l)
	return nil
}

var (
	_ MalleeReplicas     = (*keeper)(nil)
	_ mallee.Activator   = (*keeper)(nil)
	_ mallee.Deactivator = (*keeper)(nil)
)
