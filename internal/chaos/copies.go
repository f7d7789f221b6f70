package chaos

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/chaos/crowd"
)

const (
	// maxReaders bounds the tallies that are asked for the copies of their nodes, to
	// meet all nodes. One that has just started gets no actors for a while.
	maxReaders = 300
	// equalWithin is how long the copies of a cluster that is whole again may differ.
	equalWithin = 30 * time.Second
)

// Replicated is what has become of replicated values. What must be 0 is told by
// Clean.
type Replicated struct {
	Marks  int `json:"marks"`  // changes that were acknowledged
	Copies int `json:"copies"` // processes whose copies were read

	Lost    int `json:"lost"`    // changes that a copy does not have, or sums that are wrong
	Unequal int `json:"unequal"` // keys whose copies differ
}

// Clean reports whether the copies have kept their promises.
func (r *Replicated) Clean() bool { return r.Lost+r.Unequal == 0 }

// readCopies records what all nodes have, once that is the same or has differed for
// too long.
func (w *Workload) readCopies(ctx context.Context) error {
	for end := time.Now().Add(equalWithin); ; {
		copies, err := w.copiesOfNodes(ctx)
		if err != nil {
			return err
		}
		if equalCopies(copies) || time.Now().After(end) {
			for i := range copies {
				w.recordCopy(&copies[i])
			}
			return nil
		}
		if !sleep(ctx, readPause) {
			return fmt.Errorf("the cluster is whole again, but its copies are not read: %w", ctx.Err())
		}
	}
}

// copiesOfNodes asks tallies on all nodes. Where a tally lives is chance.
func (w *Workload) copiesOfNodes(ctx context.Context) (all []Copy, err error) {
	seen := make(map[int]bool)
	for n := 0; n < maxReaders && len(seen) < max(w.Nodes, 1); n++ {
		reader := crowd.TallyOf(w.Caller, fmt.Sprint("reader", n))
		for k := range w.Actors {
			c, err := w.readCopy(ctx, reader, strconv.Itoa(k))
			if err != nil {
				return nil, err
			}
			if k == 0 && seen[c.Process] {
				sleep(ctx, readPause)
				break // another reader may be elsewhere
			}
			seen[c.Process] = true
			all = append(all, c)
		}
	}
	return all, nil
}

// readCopy reads in pages. The reader may move meanwhile; then it has the same, or is
// found to differ.
func (w *Workload) readCopy(ctx context.Context, reader crowd.TallyRef, key string) (c Copy, err error) {
	for after := int64(0); ; after = c.Ops[len(c.Ops)-1] {
		var m crowd.Marks
		err := persist(ctx, reader.ID(), func() (err error) {
			m, err = reader.Marks(ctx, key, after, pageSize)
			return err
		})
		if err != nil {
			return c, err
		}
		c = Copy{m.Process, key, m.Sum, append(c.Ops, m.Ops...)}
		if len(m.Ops) < pageSize {
			return c, nil
		}
	}
}

func (w *Workload) recordCopy(c *Copy) {
	pages := slices.Collect(slices.Chunk(c.Ops, pageSize))
	if len(pages) == 0 {
		pages = append(pages, nil)
	}
	for _, ops := range pages {
		w.Record.Copy(Copy{c.Process, c.Key, c.Sum, ops})
	}
}

func equalCopies(copies []Copy) bool {
	first := make(map[string]*Copy)
	for i := range copies {
		c := &copies[i]
		if f := first[c.Key]; f == nil {
			first[c.Key] = c
		} else if f.Sum != c.Sum || !slices.Equal(f.Ops, c.Ops) {
			return false
		}
	}
	return true
}

// checkCopies looks whether all copies are the same, and have what was acknowledged.
func (v *Verdict) checkCopies(h *History) {
	keys := make(map[string][]*Call)
	for i := range h.Calls {
		if c := &h.Calls[i]; c.Method == Mark {
			keys[c.Actor.Key] = append(keys[c.Actor.Key], c)
		}
	}
	processes := make(map[int]bool)
	copies := make(map[string]map[int]*Copy) // by key and process
	for _, page := range h.Copies {
		processes[page.Process] = true
		if copies[page.Key] == nil {
			copies[page.Key] = make(map[int]*Copy)
		}
		c := copies[page.Key][page.Process]
		if c == nil {
			c = &Copy{Process: page.Process, Key: page.Key, Sum: page.Sum}
			copies[page.Key][page.Process] = c
		}
		c.Ops = append(c.Ops, page.Ops...)
	}
	v.Replicated.Copies = len(processes)
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		v.checkKey(key, keys[key], copies[key])
	}
}

// checkKey is about one key.
func (v *Verdict) checkKey(key string, marks []*Call, copies map[int]*Copy) {
	r := &v.Replicated
	id := mallee.ID{Type: tallyType, Key: key}
	var sure, most int64
	for _, m := range marks {
		if m.Outcome == OK {
			r.Marks++
			sure += m.Arg
		}
		if m.Outcome != Failed {
			most += m.Arg
		}
	}
	var first *Copy
	for _, process := range slices.Sorted(maps.Keys(copies)) {
		c := copies[process]
		if first == nil {
			first = c
		}
		if c.Sum != first.Sum || !slices.Equal(c.Ops, first.Ops) {
			v.find(&r.Unequal, "%s: process %d has the sum %d and %d operations, process %d has %d and %d", id, c.Process, c.Sum, len(c.Ops), first.Process, first.Sum, len(first.Ops))
		}
		if c.Sum < sure || c.Sum > most {
			v.find(&r.Lost, "%s: process %d has the sum %d; %d was acknowledged, and at most %d may be there", id, c.Process, c.Sum, sure, most)
		}
		for _, m := range marks {
			if _, there := slices.BinarySearch(c.Ops, m.Op); m.Outcome == OK && !there {
				v.find(&r.Lost, "%s: operation %d was acknowledged and process %d does not have it", id, m.Op, c.Process)
			}
		}
	}
	if first == nil {
		v.find(&r.Lost, "%s: no copy was read", id)
	}
}
