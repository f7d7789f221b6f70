package driver

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/mallee-io/mallee"
)

// Rebalancing moves balanced actors from the member with the most weight of
// grants to the one with the least. Each step makes the two more equal, planned
// moves count as done, and small differences are left, so it comes to an end.
// What members measure beyond weights follows a move late or never: it cannot
// cause one, and only forbids moves to a member that is busier than the owner.
const (
	leastDifference = 5           // of weights that is worth a move,
	meanPart        = 5           // if it is more than this part of their mean, too
	restAfterMove   = time.Minute // in which an actor is not moved again, and a planned move counts as done
	sampleSize      = 1024        // actors of an owner from which those to move are taken
)

// plannedMove is one that an owner was asked for.
type plannedMove struct {
	Move
	at time.Time
}

// Plan names at most limit actors that should move now, and takes it that the
// owners are asked to. It plans nothing while nodes have yet to report.
func (d *Directory) Plan(limit int) (moves []Move) {
	if d.settings.NoRebalance || d.silent > 0 {
		return nil
	}
	b := d.balance()
	for _, name := range slices.Sorted(maps.Keys(d.kinds)) {
		k := d.kinds[name]
		if k.moves() {
			moves = append(moves, d.pick(k, b.steps(k, limit-len(moves)))...)
		}
	}
	for _, m := range moves {
		d.moves[m.ID] = plannedMove{m, d.now}
	}
	return moves
}

// moves reports whether actors of the type move to balance loads: those that
// are where they are for that reason alone.
func (k *kind) moves() bool {
	if len(k.hosts) == 0 {
		return false
	}
	t := k.says()
	return !t.Stateless && t.Strategy == mallee.Balanced
}

// balance is what members would have if all planned moves were done.
type balance struct {
	d       *Directory
	weight  map[NodeID]int
	resting map[*host]int // actors of a host that are not to move
}

func (d *Directory) balance() balance {
	b := balance{d: d, weight: make(map[NodeID]int, len(d.members)), resting: make(map[*host]int)}
	for _, m := range d.members {
		b.weight[m.ID] = m.weight
	}
	for id, p := range d.moves {
		k, g := d.kinds[id.Type], p.Grant
		now, placed := d.Owner(id)
		if !placed || d.now.Sub(p.at) >= restAfterMove {
			delete(d.moves, id)
			continue
		}
		if owner := k.host(now.Node); owner != nil {
			b.resting[owner]++
		}
		if from, to := k.host(g.Node), k.host(p.To); now == g && from != nil && to != nil {
			b.weight[g.Node] -= from.weighs()
			b.weight[p.To] += to.weighs()
		}
	}
	return b
}

// step moves any one actor of a type.
type step struct{ from, to *host }

// steps are at most limit moves of a type's actors, of which each makes weights
// more equal.
func (b *balance) steps(k *kind, limit int) (steps []step) {
	var owners, takers []*host
	sum := 0
	for _, h := range k.hosts {
		if h.Foreign || b.d.refusal(h) != "" {
			continue
		}
		owners = append(owners, h)
		sum += b.weight[h.ID]
		if !b.d.young(h.member) {
			takers = append(takers, h)
		}
	}
	members := len(owners)
	for len(steps) < limit {
		s, ok := b.step(owners, takers)
		if !ok {
			break
		}
		difference := b.weight[s.from.ID] - b.weight[s.to.ID]
		if difference < max(leastDifference, s.from.weighs()+s.to.weighs()) || difference*members*meanPart <= sum {
			break
		}
		steps = append(steps, s)
		b.weight[s.from.ID] -= s.from.weighs()
		b.weight[s.to.ID] += s.to.weighs()
		b.resting[s.from]++
	}
	return steps
}

// step finds the heaviest owner that has actors to move, and the lightest taker
// that is not busier than it.
func (b *balance) step(owners, takers []*host) (s step, ok bool) {
	for _, h := range owners {
		if h.actors > b.resting[h] && (s.from == nil || b.weight[h.ID] > b.weight[s.from.ID]) {
			s.from = h
		}
	}
	for _, h := range takers {
		if s.from != nil && b.load(h) < b.load(s.from) && (s.to == nil || b.weight[h.ID] < b.weight[s.to.ID]) {
			s.to = h
		}
	}
	return s, s.to != nil
}

// load is the member's weight with what it measures.
func (b *balance) load(h *host) int { return h.load() - h.weight + b.weight[h.ID] }

// pick chooses the actors of the steps: of a sample of each owner's those that
// were placed last, as they have gathered the least. All of a small owner's are
// in its sample, so that the choice can be repeated.
func (d *Directory) pick(k *kind, steps []step) []Move {
	if len(steps) == 0 {
		return nil
	}
	missing := make(map[NodeID]int) // from the samples
	for _, s := range steps {
		missing[s.from.ID] = max(sampleSize, len(steps))
	}
	samples := make(map[NodeID][]Move)
	for key, g := range k.grants {
		id := mallee.ID{Type: k.name, Key: key}
		if _, rests := d.moves[id]; rests || missing[g.Node] == 0 {
			continue
		}
		samples[g.Node] = append(samples[g.Node], Move{ID: id, Grant: g})
		missing[g.Node]--
		if missing[g.Node] == 0 {
			delete(missing, g.Node)
		}
		if len(missing) == 0 {
			break
		}
	}
	for _, sample := range samples {
		slices.SortFunc(sample, func(a, b Move) int { return cmp.Compare(b.Grant.Epoch, a.Grant.Epoch) })
	}
	moves := make([]Move, len(steps))
	for i, s := range steps { // each owner has as many as its steps, see balance.step
		moves[i] = samples[s.from.ID][0]
		moves[i].To = s.to.ID
		samples[s.from.ID] = samples[s.from.ID][1:]
	}
	return moves
}
