package postgres

import (
	"slices"
	"sync"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/mallee-io/mallee/storage"
)

// queue holds calls of Apply until a connection is free for them. Whatever
// waits then goes together. The calls of a partition keep their order, and
// only one transaction at a time has some of them: others would wait for its
// locks, in the server and with a connection each.
type queue struct {
	maxWriters int

	mu      sync.Mutex
	closed  bool
	lines   map[pgtype.UUID]*line // of partitions that have calls
	ready   []*line               // that wait and are not being written, the longest waiting first
	writers int
	none    sync.Cond // writers has become 0
	trouble error     // why the last transaction did not begin
}

// line is the calls of one partition. It is in ready, or writing, or both its
// states are false and it is forgotten.
type line struct {
	id      pgtype.UUID
	waiting []*call
	ready   bool
	writing bool
}

// Bounds of a transaction. It takes one call at least.
const (
	maxGroupOps   = 500
	maxGroupBytes = 4 << 20
)

func newQueue(maxWriters int) *queue {
	q := &queue{maxWriters: maxWriters, lines: make(map[pgtype.UUID]*line)}
	q.none.L = &q.mu
	return q
}

// add appends a call, and reports whether a writer must be started for it.
func (q *queue) add(c *call) (startWriter bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false, storage.ErrClosed
	}
	l := q.lines[c.partition.id]
	if l == nil {
		l = &line{id: c.partition.id}
		q.lines[l.id] = l
	}
	l.waiting = append(l.waiting, c)
	if l.writing || l.ready {
		return false, nil
	}
	q.makeReady(l)
	if q.writers == q.maxWriters {
		return false, nil
	}
	q.writers++
	return true, nil
}

func (q *queue) makeReady(l *line) {
	l.ready = true
	q.ready = append(q.ready, l)
}

// wanted reports whether there is something to write. If not, the writer that
// asks is no longer counted, and must end.
func (q *queue) wanted() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.ready) > 0 && len(q.ready[0].waiting) == 0 { // all its callers have left
		l := q.pop()
		delete(q.lines, l.id)
	}
	if len(q.ready) > 0 {
		return true
	}
	if q.writers--; q.writers == 0 {
		q.none.Broadcast()
	}
	return false
}

func (q *queue) pop() *line {
	l := q.ready[0]
	q.ready[0] = nil
	q.ready = q.ready[1:]
	l.ready = false
	return l
}

// take removes calls for one transaction. It may find none.
func (q *queue) take() (calls []*call) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.trouble = nil
	room := room{ops: maxGroupOps, bytes: maxGroupBytes}
	for len(q.ready) > 0 {
		l := q.ready[0]
		n := room.fits(l.waiting)
		if n == 0 && len(l.waiting) > 0 {
			break
		}
		q.pop()
		calls = append(calls, l.waiting[:n]...)
		l.waiting = slices.Delete(l.waiting, 0, n)
		if l.writing = n > 0; !l.writing {
			delete(q.lines, l.id)
		}
	}
	return calls
}

// room is what is left of a transaction's bounds.
type room struct {
	ops, bytes int
	used       bool // by at least one call, which may be larger than all bounds
}

// fits takes as many calls from the beginning as there is room for.
func (r *room) fits(calls []*call) (n int) {
	for _, c := range calls {
		if r.used && (c.alone || len(c.ops) > r.ops || c.bytes > r.bytes) {
			break
		}
		r.ops, r.bytes, r.used = r.ops-len(c.ops), r.bytes-c.bytes, true
		if c.alone {
			r.ops = 0
		}
		n++
	}
	return n
}

// finish is told when calls that were taken have been done.
func (q *queue) finish(calls []*call) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, c := range calls {
		q.written(q.lines[c.partition.id])
	}
}

func (q *queue) written(l *line) {
	if l == nil || !l.writing {
		return // by an earlier call of the same line
	}
	l.writing = false
	if len(l.waiting) == 0 {
		delete(q.lines, l.id)
		return
	}
	q.makeReady(l)
}

// putBack returns calls that were taken and of which nothing was written. It
// keeps those whose callers wait no longer, and all when the queue is closed.
func (q *queue) putBack(calls []*call, trouble error) (left []*call) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.trouble = trouble
	for _, c := range slices.Backward(calls) {
		if q.closed || c.late {
			left = append(left, c)
			continue
		}
		l := q.lines[c.partition.id]
		l.waiting = slices.Insert(l.waiting, 0, c)
	}
	for _, c := range calls {
		q.written(q.lines[c.partition.id])
	}
	return left
}

// remove takes a call out that waits no longer, and tells what kept it. If it
// is being written it stays, but will not wait again.
func (q *queue) remove(c *call) (removed bool, trouble error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	c.late = true
	l := q.lines[c.partition.id]
	if l == nil {
		return false, nil
	}
	i := slices.Index(l.waiting, c)
	if i < 0 {
		return false, nil
	}
	l.waiting = slices.Delete(l.waiting, i, i+1) // an empty line is forgotten by its next writer
	return true, q.trouble
}

// clear gives all calls back that wait.
func (q *queue) clear() []*call {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.empty()
}

func (q *queue) empty() (calls []*call) {
	for _, l := range q.lines {
		calls = append(calls, l.waiting...)
		l.waiting = nil
	}
	return calls
}

// close gives all calls that wait back, and reports whether it was open.
func (q *queue) close() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.closed = true
	for _, c := range q.empty() {
		c.done <- result{err: storage.ErrClosed}
	}
	return true
}

// drained returns once no writer is left.
func (q *queue) drained() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.writers > 0 {
		q.none.Wait()
	}
}
