package postgres

import (
	"bytes"
	"slices"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/mallee-io/mallee/storage"
)

// call is one Apply.
type call struct {
	partition partition
	epoch     uint64
	ops       []op
	bytes     int
	done      chan result // with room for one
	alone     bool        // it gets a transaction of its own
	late      bool        // guarded by the queue: its caller waits no longer
}

type result struct {
	versions []uint64
	err      error
}

// partition is what one actor has in one table.
type partition struct {
	id                pgtype.UUID
	table, key1, tail []byte
}

// op is a storage.Op as it goes into the database. It shares no memory with
// its caller, who may be gone when it is written.
type op struct {
	storage.Op      // without its value
	key2, tail, sum []byte
	document        string // the value, if a jsonb can hold it
	data            []byte // the value otherwise
}

// group is the calls of one transaction. What they are about is there once:
// the partitions in the order of their ids, in which they are locked, and the
// rows. It is filled from the database, then decides for each call.
type group struct {
	calls      []*call
	partitions []head
	rows       []slot
	plain      bool // documents go into the column for bytes
	sent       bool // what was decided is on its way

	rowsOf [][]int // for each call, which row each op is about
	headOf []int   // for each call, which partition it is about
}

// head is what a partition remembers of its writers.
type head struct {
	partition
	epoch, last int64
	written     bool
}

func byID(a, b head) int { return bytes.Compare(a.id.Bytes[:], b.id.Bytes[:]) }

// slot is a row that calls are about.
type slot struct {
	*op         // the first that is about it, for the key
	head    int // its partition
	version int64
	write   *op // what becomes of it; nil: it stays
	epoch   uint64
}

// found notes the version of a row that is there.
func (s *slot) found(version int64) {
	if s.version = version; version == 0 {
		s.version = -1 // none has this one; here 0 is for rows that are not there
	}
}

func newGroup(calls []*call) *group {
	g := &group{calls: calls, rowsOf: make([][]int, len(calls)), headOf: make([]int, len(calls))}
	for _, c := range calls {
		g.partitions = append(g.partitions, head{partition: c.partition})
	}
	slices.SortFunc(g.partitions, byID)
	g.partitions = slices.CompactFunc(g.partitions, func(a, b head) bool { return a.id == b.id })
	type rowKey struct {
		head int
		key2 string
	}
	known := make(map[rowKey]int)
	for i, c := range calls {
		g.headOf[i], _ = slices.BinarySearchFunc(g.partitions, head{partition: c.partition}, byID)
		g.rowsOf[i] = make([]int, len(c.ops))
		for j := range c.ops {
			at := rowKey{g.headOf[i], c.ops[j].Key.Key2}
			n, ok := known[at]
			if !ok {
				n = len(g.rows)
				known[at] = n
				g.rows = append(g.rows, slot{op: &c.ops[j], head: at.head})
			}
			g.rowsOf[i][j] = n
		}
	}
	return g
}

// decide gives each call its result, in their order: what one writes the next
// one finds. A refused call changes nothing.
func (g *group) decide() []result {
	results := make([]result, len(g.calls))
	for i, c := range g.calls {
		if err := g.check(i, c); err != nil {
			results[i].err = err
			continue
		}
		results[i].versions = g.write(i, c)
	}
	return results
}

func (g *group) check(i int, c *call) error {
	h := &g.partitions[g.headOf[i]]
	if h.epoch < 0 || h.last < 0 {
		return damaged("%s has epoch %d and version %d", c.ops[0].Key, h.epoch, h.last)
	}
	if c.epoch < uint64(h.epoch) {
		return &storage.FencedError{Key: c.ops[0].Key, Have: uint64(h.epoch), Want: c.epoch}
	}
	for j := range c.ops {
		version := g.rows[g.rowsOf[i][j]].version
		if version < 0 || version > h.last {
			return damaged("%s has version %d, and the last one was %d", c.ops[j].Key, version, h.last)
		}
		if err := c.ops[j].CheckVersion(uint64(version)); err != nil {
			return err
		}
	}
	return nil
}

func (g *group) write(i int, c *call) []uint64 {
	h := &g.partitions[g.headOf[i]]
	h.epoch, h.written = int64(c.epoch), true
	versions := make([]uint64, len(c.ops))
	for j := range c.ops {
		row := &g.rows[g.rowsOf[i][j]]
		row.write, row.epoch, row.version = &c.ops[j], c.epoch, 0
		if !c.ops[j].Delete {
			h.last++
			row.version, versions[j] = h.last, uint64(h.last)
		}
	}
	return versions
}

// writes reports whether any call is done.
func (g *group) writes() bool {
	return slices.ContainsFunc(g.partitions, func(h head) bool { return h.written })
}

// reset forgets what was read and decided.
func (g *group) reset() {
	g.sent = false
	for i := range g.partitions {
		h := &g.partitions[i]
		h.epoch, h.last, h.written = 0, 0, false
	}
	for i := range g.rows {
		g.rows[i].version, g.rows[i].write = 0, nil
	}
}

// all gives each call the same error.
func (g *group) all(err error) []result { return slices.Repeat([]result{{err: err}}, len(g.calls)) }
