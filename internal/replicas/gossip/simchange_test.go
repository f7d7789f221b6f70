package gossip_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/mallee-io/mallee/crdt"
)

// history is what has been done, as nobody in the world knows it.
type history struct {
	batches  map[crdt.Dot]*batch
	recorded map[crdt.ReplicaID]uint64
	missed   bool                      // batches have been dropped before they were recorded
	removed  map[crdt.ReplicaID]uint64 // and their last batches
	acked    []*change                 // their processes were told that they will stay
	added    map[string]bool           // elements that only one change adds, and whether somebody has removed them
	counted  int64                     // of the counter "count"
	adds     int
}

// change is something that a process waits for.
type change struct {
	at     crdt.Dot
	made   time.Duration
	level  crdt.Consistency
	what   string
	amount int64  // of the counter
	elem   string // that was added
}

// simNames are the values. Those after the first five may be deleted, and made anew
// with other kinds by others at the same time.
var simNames = []string{"count", "unique", "board", "ballot", "note", "a", "b", "c"}

var simKinds = []crdt.Kind{crdt.KindGCounter, crdt.KindPNCounter, crdt.KindGSet, crdt.KindORSet, crdt.KindRegister, crdt.KindFlag, crdt.KindORMap, crdt.KindVote}

var simElements = []string{"x", "y", "z", "w"}

// change changes something at random.
func (p *proc) change() {
	w := p.world
	name := simNames[w.random.IntN(len(simNames))]
	cell := p.values.Open(name)
	seq, _ := p.values.Next()
	c := &change{at: crdt.Dot{Replica: p.id, Seq: seq}, made: w.now, level: crdt.Consistency(w.random.IntN(3)), what: name}
	var err error
	switch name {
	case "count":
		c.amount = 1 + w.random.Int64N(5)
		_, err = cell.Count(crdt.KindGCounter, c.amount)
	case "unique":
		err = p.changeUnique(c)
	case "board":
		err = cell.Change(w.delta(crdt.KindORMap, 0))
	case "ballot":
		err = cell.Change(w.delta(crdt.KindVote, 0))
	case "note":
		err = cell.Change(w.delta(crdt.KindRegister, 0))
	default:
		err = p.changeAny(name)
	}
	switch {
	case errors.Is(err, crdt.ErrIllegal), errors.Is(err, crdt.ErrKind), errors.Is(err, crdt.ErrDeleted):
		return
	case err != nil:
		if p.machine.Synced() {
			w.fail("%s: change of %s: %v", p.name, name, err)
		}
		return
	}
	w.sum["changes"]++
	w.counted += c.amount
	if c.level != crdt.Local {
		p.waits = append(p.waits, c)
	}
}

// changeUnique adds something that nobody else adds, or removes something.
func (p *proc) changeUnique(c *change) error {
	w := p.world
	cell := p.values.Open("unique")
	if !w.chance(4) {
		w.adds++
		c.elem = fmt.Sprint("e", w.adds)
		w.added[c.elem] = false
		return cell.Change(&crdt.Delta{Kind: crdt.KindORSet, Added: []string{c.elem}})
	}
	d := &crdt.Delta{Kind: crdt.KindORSet}
	all := w.chance(8)
	_ = cell.Read(func(v *crdt.Value, _ crdt.Electorate) {
		if v == nil {
			return
		}
		for e := range v.Elements() {
			if n := len(e); all || int(e[n-1])%3 == w.adds%3 {
				d.Removed = append(d.Removed, e)
				w.added[e] = true
			}
		}
	})
	if all {
		d.Cleared, d.Removed = true, nil
	}
	return cell.Change(d)
}

func (p *proc) changeAny(name string) error {
	w := p.world
	cell := p.values.Open(name)
	if w.chance(40) {
		w.say("%s deletes %s", p.name, name)
		return cell.Delete()
	}
	kind := simKinds[w.random.IntN(len(simKinds))]
	if !w.chance(20) {
		_ = cell.Read(func(v *crdt.Value, _ crdt.Electorate) {
			if v != nil {
				kind = v.Kind()
			}
		})
	}
	return cell.Change(w.delta(kind, 0))
}

// delta is a change of a kind.
func (w *simWorld) delta(k crdt.Kind, depth int) *crdt.Delta {
	d := &crdt.Delta{Kind: k}
	some := func() (list []string) {
		for range 1 + w.random.IntN(2) {
			list = append(list, simElements[w.random.IntN(len(simElements))])
		}
		return list
	}
	switch k {
	case crdt.KindGCounter:
		d.Increment = w.random.Uint64N(10)
	case crdt.KindPNCounter:
		d.Change = w.random.Int64N(21) - 10
	case crdt.KindGSet:
		d.Added = some()
	case crdt.KindORSet:
		switch w.random.IntN(6) {
		case 0:
			d.Cleared = true
		case 1, 2:
			d.Removed = some()
		default:
			d.Added = some()
		}
	case crdt.KindRegister:
		d.Value, d.Clock, d.Custom = fmt.Sprint(w.random.IntN(1000)), crdt.RegisterClock(w.random.IntN(4)), w.random.Int64N(1000)
	case crdt.KindFlag:
		d.Enabled = !w.chance(3)
	case crdt.KindVote:
		d.Self = w.chance(2)
	case crdt.KindORMap:
		w.mapDelta(d, some()[0], depth)
	}
	return d
}

func (w *simWorld) mapDelta(d *crdt.Delta, key string, depth int) {
	kinds := simKinds
	if depth == 2 {
		kinds = simKinds[:6]
	}
	switch n := w.random.IntN(12); {
	case n == 0:
		d.Cleared = true
	case n <= 3:
		d.Removed = []string{key}
	case n <= 6:
		// Mostly of one kind at a key, or little would come about.
		d.Updated = []crdt.Entry{{Key: key, Delta: w.delta(kinds[int(key[0])%len(kinds)], depth+1)}}
	default:
		kind := kinds[int(key[0])%len(kinds)]
		if w.chance(10) {
			kind = kinds[w.random.IntN(len(kinds))]
		}
		d.Inserted = []crdt.Entry{{Key: key, Delta: w.delta(kind, depth+1)}}
	}
}

// record takes note of the batches that the process has sealed.
func (p *proc) record() {
	w := p.world
	c := p.values.Clock()
	before := w.recorded[p.id]
	if c.Seen(p.id) <= before {
		return
	}
	var known crdt.Clock
	known.Learn(&c)
	for r, seq := range c.All() {
		if r == p.id {
			seq = before
		}
		known.See(crdt.Dot{Replica: r, Seq: seq})
	}
	batches, clock, ok := p.machine.Since(w.now, &known)
	w.missed = w.missed || !ok
	for _, b := range batches {
		w.batches[b.At] = &batch{b, w.now}
	}
	w.recorded[p.id] = clock.Seen(p.id)
	w.sum["batches"] += len(batches)
}

// acknowledge tells those who wait that their changes have come far enough.
func (p *proc) acknowledge() {
	w := p.world
	if len(p.waits) == 0 {
		return
	}
	store := p.machine.StoreHas()
	var rest []*change
	var far [3]bool // a change before has not come far enough
	for _, c := range p.waits {
		if far[c.level] {
			rest = append(rest, c)
			continue
		}
		have, members := p.machine.Reached(c.at.Seq)
		need := members
		if c.level == crdt.Majority {
			need = members/2 + 1
		}
		if have < need || !store.Covers(c.at) {
			rest = append(rest, c)
			far[c.level] = true
			continue
		}
		w.acked = append(w.acked, c)
		w.sum["acknowledged"]++
	}
	p.waits = rest
}

// ask asks a majority. As long as nobody has come or gone its answer has what a
// majority has acknowledged.
func (p *proc) ask() {
	w := p.world
	a := ask{number: p.machine.Ask(w.now)}
	for _, c := range w.acked {
		if c.made > w.moved+simLag && c.level != crdt.Local {
			a.need = append(a.need, c.at)
		}
	}
	a.at = w.now
	p.asks = append(p.asks, a)
	p.soon()
}

func (p *proc) hear() {
	w := p.world
	var rest []ask
	for _, a := range p.asks {
		if !p.machine.Heard(a.number) {
			rest = append(rest, a)
			continue
		}
		w.sum["heard"]++
		clock := p.values.Clock()
		for _, d := range a.need {
			if !clock.Covers(d) && w.moved+simLag < a.at {
				w.fail("%s has asked a majority, and does not have batch %v, which has been acknowledged", p.name, d)
			}
		}
	}
	p.asks = rest
}
