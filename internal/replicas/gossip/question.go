package gossip

import (
	"slices"
	"time"

	"github.com/mallee-io/mallee/crdt"
)

// questions ask the others what they have.
type questions struct {
	last  uint64
	sent  uint64
	heard uint64 // all up to this one have been answered, and the answers are here
	open  []*question
}

type question struct {
	number uint64
	from   []Peer // who has answered
	want   crdt.Clock
}

// maxQuestions bounds those that are waited for. The answers to a question answer
// those before it too, so what is left out is not left waiting.
const maxQuestions = 64

// Ask asks the others what they have. Heard reports whether a majority of the
// members, this one included, has answered, and all that they had then is here.
func (m *Machine) Ask(now time.Duration) (number uint64) {
	m.digestAt = min(m.digestAt, now)
	q := &m.questions
	if q.last > q.sent {
		return q.last // others have asked at this moment, too
	}
	q.last++
	if len(q.open) == maxQuestions {
		q.open = slices.Delete(q.open, 0, 1)
	}
	q.open = append(q.open, &question{number: q.last})
	return q.last
}

// Heard is about a question of Ask.
func (m *Machine) Heard(number uint64) bool {
	q := &m.questions
	for _, x := range q.open {
		answers := 1
		for _, p := range x.from {
			if m.peers[p] != nil {
				answers++
			}
		}
		if m.synced && m.member && 2*answers > m.live && m.clock.Includes(&x.want) {
			q.heard = max(q.heard, x.number)
		}
	}
	q.open = slices.DeleteFunc(q.open, func(x *question) bool { return x.number <= q.heard })
	return number <= q.heard
}

// ask is the number that a digest asks, or 0.
func (q *questions) ask() uint64 {
	q.sent = q.last
	if q.waiting() {
		return q.last
	}
	return 0
}

func (q *questions) waiting() bool { return len(q.open) > 0 }

// take takes note of an answer.
func (q *questions) take(from Peer, d *digest) {
	for _, x := range q.open {
		if x.number <= d.answer && !slices.Contains(x.from, from) {
			x.from = append(x.from, from)
			x.want.Merge(&d.clock)
		}
	}
}
