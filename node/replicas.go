package node

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/crdt"
	"github.com/mallee-io/mallee/internal/activation"
	"github.com/mallee-io/mallee/internal/replicas"
	"github.com/mallee-io/mallee/internal/replicas/gossip"
	"github.com/mallee-io/mallee/internal/transport"
	"github.com/mallee-io/mallee/placement"
)

// ReplicaConfig says how a node keeps replicated values. All nodes of a cluster should
// have the same.
type ReplicaConfig struct {
	// FlushInterval is how often changes for which nobody has waited go to the store.
	// When all nodes end at once, those since then are lost. Defaults to a second.
	FlushInterval time.Duration

	// RemoveAfter is how long a node may be away, without having been stopped, before
	// the others remove its replica. A process that comes back later begins anew, and
	// what it had not passed on is lost. Defaults to an hour.
	RemoveAfter time.Duration

	// CheckpointAfter is how much may have changed since all values were written to
	// the store, in bytes, before they are written anew, unless they are more. Defaults
	// to 8 MiB.
	CheckpointAfter int
}

// Replica is the node's copy of a replicated value; mallee.NewReplicated uses it. The
// node begins to have copies of all values with the first call.
func (n *Node) Replica(id mallee.ID) crdt.Replica { return n.replicas.Replica(replicaName(id)) }

// replicaName is one that no other ID has.
func replicaName(id mallee.ID) string {
	if strings.ContainsAny(id.Type, "%/") {
		id.Type = strings.NewReplacer("%", "%25", "/", "%2F").Replace(id.Type)
	}
	return id.Type + "/" + id.Key
}

func newReplicas(n *Node, keeps bool) *replicas.Service {
	c := &n.config.Replicas
	return replicas.New(replicas.Config{
		Self:        n.ID,
		Caller:      toKeeper{n},
		Members:     n.config.Placement.Members,
		Send:        n.gossip,
		CallTimeout: n.config.CallTimeout,
		Log:         n.config.Log.With("node", n.config.Name),

		Keeps:           keeps,
		FlushInterval:   c.FlushInterval,
		CheckpointAfter: c.CheckpointAfter,
		Gossip:          gossip.MachineConfig{RemoveAfter: c.RemoveAfter},
	})
}

// toKeeper is the node for its calls to the keeper, which it also makes while it stops.
type toKeeper struct{ *Node }

func (n toKeeper) Invoke(ctx context.Context, id mallee.ID, call mallee.Call) error {
	return n.run(ctx, &activation.Request{ID: id, Call: call})
}

// gossip sends what may be lost: it comes again.
func (n *Node) gossip(to placement.NodeID, body []byte) {
	if n.config.Network == nil {
		return
	}
	err := n.config.Network.Send(n.ID(), to, &transport.Message{Kind: transport.Gossip, Body: body})
	if errors.Is(err, mallee.ErrInvalid) { // it can never be sent
		n.config.Log.Error("a replicated value is too large for the other nodes", "node", n.config.Name, "to", to, "error", err)
	}
}

// replicasTimeout bounds how long a node that stops waits for the store.
const replicasTimeout = 5 * time.Second

// stopReplicas brings what the node has changed to the store, and says goodbye to the
// other nodes that have copies.
func (n *Node) stopReplicas(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, replicasTimeout)
	defer cancel()
	if err := n.replicas.Stop(ctx); err != nil {
		n.config.Log.Warn("the store may lack the latest changes of replicated values: they are lost unless another node has them", "node", n.config.Name, "error", err)
	}
}
