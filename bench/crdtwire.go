package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/mallee-io/mallee/crdt"
	"github.com/mallee-io/mallee/internal/replicas/gossip"
)

// wireChanges are told one by one: each is a batch of its own, the most that a
// change can cost.
const wireChanges = 1000

// changeBytes counts all that two replicas say, acknowledgements too, while one of
// them changes the set.
func (malleeReplicas) changeBytes(elements int) (float64, error) {
	g := newGossipPair()
	set := g.values[0].Open("Set/wire")
	for i := range elements {
		if err := set.Change(adding(i)); err != nil {
			return 0, err
		}
	}
	if err := g.talk(time.Second); err != nil {
		return 0, err
	}
	told := g.bytes
	for i := range wireChanges {
		change := adding(elements + i/2)
		if i%2 == 1 { // so that the set keeps its size
			change = &crdt.Delta{Kind: crdt.KindORSet, Removed: change.Added}
		}
		if err := set.Change(change); err != nil {
			return 0, err
		}
		if err := g.talk(10 * time.Millisecond); err != nil {
			return 0, err
		}
	}
	told = g.bytes - told
	if a, b := g.values[0].Clock(), g.values[1].Clock(); !a.Includes(&b) || !b.Includes(&a) {
		return 0, fmt.Errorf("the replicas are not equal after all: %v and %v", a, b)
	}
	return float64(told) / wireChanges, nil
}

func adding(i int) *crdt.Delta {
	return &crdt.Delta{Kind: crdt.KindORSet, Added: []string{wireElement(i)}}
}

func wireElement(i int) string { return strconv.Itoa(10_000_000 + i) }

// gossipPair is two replicas, a clock, and a network that counts.
type gossipPair struct {
	now      time.Duration
	values   [2]*gossip.Values
	machines [2]*gossip.Machine
	bytes    int
}

func newGossipPair() *gossipPair {
	g := &gossipPair{}
	for i := range g.machines {
		g.values[i] = gossip.NewValues(func() int64 { return g.now.Milliseconds() })
		g.values[i].Begin(crdt.ReplicaID(i + 1))
		g.machines[i] = gossip.NewMachine(gossip.MachineConfig{}, gossip.Peer(i), crdt.ReplicaID(i+1), g.values[i])
	}
	for _, m := range g.machines {
		m.Members(0, []gossip.Peer{0, 1})
	}
	return g
}

// talk lets both speak for a time, each millisecond.
func (g *gossipPair) talk(d time.Duration) error {
	for end := g.now + d; g.now < end; g.now += time.Millisecond {
		for i, m := range g.machines {
			m.Tick(g.now)
			for _, x := range m.Outbox() {
				g.bytes += len(x.Body)
				if err := g.machines[x.To].Receive(g.now, gossip.Peer(i), x.Body); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// wholeState is the plain way to tell of a change of a set: all of the set.
type wholeState struct{ started }

var _ telling = wholeState{}

func (wholeState) changeBytes(elements int) (float64, error) {
	v := crdt.NewValue(crdt.KindORSet)
	for i := range elements + 1 {
		if err := v.Change(crdt.Dot{Replica: 1, Seq: uint64(i + 1)}, 0, adding(i)); err != nil {
			return 0, err
		}
	}
	state, err := v.AppendBinary(nil)
	return float64(len(state)), err
}
