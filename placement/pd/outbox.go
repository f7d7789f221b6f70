package pd

import (
	"sync"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/gen/placementpb"
)

const (
	// maxWaiting bounds what the leader keeps for a node that does not read.
	maxWaiting = 1 << 18
	// A message to a node is cut at the first of these; clients take 4 MiB.
	maxBatchItems = 20_000
	maxBatchBytes = 1 << 20
)

// outbox gathers what the leader has for a member until its writer sends it:
// under load a message carries many answers.
type outbox struct {
	ready chan struct{} // has room for one, and holds it while there is something
	full  chan struct{} // closed when more has gathered than is kept

	mu    sync.Mutex
	batch *placementpb.LeaderBatch
	items int // less than 0: it is full
}

var errDeaf = mallee.ErrOverloaded.Errorf("the node does not read what the placement driver sends")

func newOutbox() *outbox {
	return &outbox{ready: make(chan struct{}, 1), full: make(chan struct{}), batch: new(placementpb.LeaderBatch)}
}

// open begins an addition, which ends with close. It reports false when there is
// no room any more.
func (o *outbox) open() bool {
	o.mu.Lock()
	if o.items == maxWaiting {
		o.items = -1
		o.batch = nil
		close(o.full)
	}
	if o.items < 0 {
		return false
	}
	o.items++
	return true
}

func (o *outbox) close() {
	o.mu.Unlock()
	select {
	case o.ready <- struct{}{}:
	default:
	}
}

func (o *outbox) answer(a *placementpb.Answer) {
	if o.open() {
		o.batch.Answers = append(o.batch.Answers, a)
	}
	o.close()
}

func (o *outbox) released(g *placementpb.Grant) {
	if o.open() {
		o.batch.Released = append(o.batch.Released, g)
	}
	o.close()
}

func (o *outbox) move(m *placementpb.Move) {
	if o.open() {
		o.batch.Moves = append(o.batch.Moves, m)
	}
	o.close()
}

func (o *outbox) lost(node uint64) {
	if o.open() {
		o.batch.Lost = append(o.batch.Lost, node)
	}
	o.close()
}

// command replaces one that is still here: the last word counts.
func (o *outbox) command(c placementpb.Command) {
	if o.open() {
		o.batch.Command = c
	}
	o.close()
}

// take removes what has gathered; nil: nothing. What would make too large a
// message stays.
func (o *outbox) take() *placementpb.LeaderBatch {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.items <= 0 {
		return nil
	}
	b, budget := o.batch, budget{}
	rest := &placementpb.LeaderBatch{
		Answers:  cut(&b.Answers, &budget, func(a *placementpb.Answer) int { return len(a.GetError().GetMessage()) }),
		Released: cut(&b.Released, &budget, func(g *placementpb.Grant) int { return len(g.GetActor().GetKey()) }),
		Moves:    cut(&b.Moves, &budget, func(m *placementpb.Move) int { return len(m.GetGrant().GetActor().GetKey()) }),
		Lost:     cut(&b.Lost, &budget, func(uint64) int { return 0 }),
	}
	o.batch = rest
	o.items = len(rest.Answers) + len(rest.Released) + len(rest.Moves) + len(rest.Lost)
	if o.items > 0 {
		select {
		case o.ready <- struct{}{}:
		default:
		}
	}
	return b
}

// budget is what a message has used.
type budget struct{ items, bytes int }

// itemBytes is what the fields of fixed size take at most, and a type's name.
const itemBytes = 128

// cut shortens a list to what a message has room for, and returns the rest.
func cut[T any](list *[]T, b *budget, size func(T) int) (rest []T) {
	for i, item := range *list {
		b.items++
		b.bytes += itemBytes + size(item)
		if b.items > maxBatchItems || b.bytes > maxBatchBytes {
			rest = append(rest, (*list)[i:]...)
			*list = (*list)[:i]
			return rest
		}
	}
	return nil
}
