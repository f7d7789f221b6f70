// Package replicas is a node's part in the replicated values: it runs the state
// machines of package gossip on the clock and the network, and keeps the values in
// the store.
//
// A node begins with it when it uses a value for the first time, or hears of those
// of others. It is then a replica under an ID that the keeper has given to it: an
// actor, which also writes what changes to the store, and from whose node all others
// fetch the values that there are.
package replicas

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/crdt"
	"github.com/mallee-io/mallee/internal/replicas/gossip"
	"github.com/mallee-io/mallee/placement"
)

// Defaults of Config.
const (
	DefaultFlushInterval   = time.Second
	DefaultCheckpointAfter = 8 << 20
)

// Config is what a Service needs of its node. The first fields are needed.
type Config struct {
	// Self is the node's present ID.
	Self func() placement.NodeID
	// Caller calls the keeper, also while the node stops.
	Caller mallee.Caller
	// Members lists the cluster.
	Members func(ctx context.Context) ([]placement.Member, error)
	// Send gives a message to another node. It may be lost, and must not block.
	Send func(to placement.NodeID, body []byte)
	// CallTimeout bounds calls of the keeper, and waits without a deadline.
	CallTimeout time.Duration
	// Log gets what happens to the replica.
	Log *slog.Logger

	// Keeps says that the node can have the keeper: see Types.
	Keeps bool
	// FlushInterval is how long changes for which nobody waits may be missing in
	// the store. 0 means DefaultFlushInterval.
	FlushInterval time.Duration
	// CheckpointAfter is how long the log of changes may get before all values are
	// written anew, in bytes, unless they are longer. 0 means DefaultCheckpointAfter.
	CheckpointAfter int
	// Gossip has the bounds of the state machine.
	Gossip gossip.MachineConfig
}

// Service is a node's part. Its methods are safe for concurrent use.
type Service struct {
	config  Config
	values  *gossip.Values
	zero    time.Time // of the machine's times
	ctx     context.Context
	end     context.CancelFunc
	once    sync.Once // start
	running sync.WaitGroup
	counts  counts

	inbox   chan letter
	waiting atomic.Int64  // bytes in the inbox
	kick    chan struct{} // the loop has something to do
	urge    chan struct{} // somebody waits for the store
	look    chan struct{} // the members may have changed
	alone   chan struct{} // the replica has been removed
	renamed chan struct{} // the node has another ID

	mu      sync.Mutex // guards the rest, and the machine
	life    *life      // nil: the node is no replica
	ready   chan struct{}
	unready error // why ready is not closed
	unkept  error // why the last flush has failed
	live    []gossip.Peer
	speaks  map[gossip.Peer]bool // have sent something
	waits   waits
}

// New makes the part of a node, which does nothing yet.
func New(c Config) *Service {
	if c.FlushInterval == 0 {
		c.FlushInterval = DefaultFlushInterval
	}
	if c.CheckpointAfter == 0 {
		c.CheckpointAfter = DefaultCheckpointAfter
	}
	s := &Service{
		config:  c,
		values:  gossip.NewValues(func() int64 { return time.Now().UnixMilli() }),
		zero:    time.Now(),
		inbox:   make(chan letter, inboxLetters),
		kick:    make(chan struct{}, 1),
		urge:    make(chan struct{}, 1),
		look:    make(chan struct{}, 1),
		alone:   make(chan struct{}, 1),
		renamed: make(chan struct{}, 1),
		ready:   make(chan struct{}),
		speaks:  make(map[gossip.Peer]bool),
	}
	s.ctx, s.end = context.WithCancel(context.Background())
	return s
}

// Replica is the node's copy of a value.
func (s *Service) Replica(name string) crdt.Replica {
	s.start()
	return &replica{s.values.Open(name), s}
}

// start begins to make the node a replica, once.
func (s *Service) start() {
	s.once.Do(func() {
		s.running.Go(s.loop)
		s.running.Go(s.watch)
		s.running.Go(s.flush)
		s.running.Go(s.join)
		s.running.Go(s.rename)
	})
}

// Stop lets nothing be changed any more, brings what the node has changed to the store,
// says goodbye to the others and ends. When ctx ends first, what the others have stays.
func (s *Service) Stop(ctx context.Context) error {
	s.values.End()
	err := s.Flush(ctx)
	s.leave()
	s.Abort()
	s.running.Wait()
	return err
}

// Abort ends as a crash does.
func (s *Service) Abort() {
	s.once.Do(func() {}) // nothing begins any more
	s.values.End()
	s.end()
}

func (s *Service) now() time.Duration { return time.Since(s.zero) }

// hint wakes a goroutine, if it has not been woken already.
func hint(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// sleep waits, unless the service ends.
func (s *Service) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.ctx.Done():
		return false
	}
}
