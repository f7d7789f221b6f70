package placement

import (
	"github.com/mallee-io/mallee"
	pb "github.com/mallee-io/mallee/internal/gen/placementpb"
	"github.com/mallee-io/mallee/placement/driver"
	"github.com/mallee-io/mallee/placement/internal/words"
)

// Bounds of one batch to the leader.
const (
	maxBatch      = 10_000  // grants, questions and releases, of each
	maxBatchBytes = 1 << 20 // about
	// batchOverhead is what a part of a batch has beside the names, at most.
	batchOverhead = 48
)

// outbox gathers what waits to be sent over the stream that is open. It is
// guarded by the mu of its membership.
type outbox struct {
	open      bool // there is a stream
	questions []*question
	releases  []driver.Held
	report    []driver.Held
	reporting bool // the report has not been sent to its end
	telling   bool // the status waits
}

// close drops what waits for a stream that has ended.
func (o *outbox) close() { *o = outbox{} }

// signal wakes the writer.
func (m *membership) signal() {
	select {
	case m.filled <- struct{}{}:
	default:
	}
}

// tell says what the node reports of itself. It needs mu.
func (m *membership) tell(s Status) {
	m.status = &pb.Status{Cordoned: s.Cordoned, Load: int64(s.Load)}
	m.telling = true
	m.repeatOld()
	m.signal()
}

// batch takes what has gathered, as far as it may go at once; nil: nothing.
func (m *membership) batch() *pb.NodeBatch {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.open {
		return nil
	}
	var b pb.NodeBatch
	room := maxBatchBytes
	if m.telling {
		b.Status, m.telling = m.status, false
	}
	if m.reporting {
		b.Report = m.takeReport(&room)
		m.reporting = len(m.report) > 0
		b.Reported = !m.reporting
	}
	if !m.reporting { // before, the leader takes no release: the report may yet tell of the grant
		b.Releases = m.takeReleases(&room)
	}
	b.Questions = m.takeQuestions(&room)
	if b.Status == nil && !b.Reported && len(b.Report)+len(b.Releases)+len(b.Questions) == 0 {
		return nil
	}
	return &b
}

func (m *membership) takeReport(room *int) (grants []*pb.Grant) {
	for len(m.report) > 0 && len(grants) < maxBatch && *room > 0 {
		grants = append(grants, words.GrantMessage(m.report[0].ID, m.report[0].Epoch))
		*room -= size(m.report[0].ID)
		m.report = m.report[1:]
	}
	if len(m.report) == 0 {
		m.report = nil
	}
	return grants
}

func (m *membership) takeReleases(room *int) (all []*pb.Release) {
	for len(m.releases) > 0 && len(all) < maxBatch && *room > 0 {
		h := m.releases[0]
		m.releases = m.releases[1:]
		if r := m.releasing[h]; r != nil && r.queued {
			r.queued, r.round = false, m.round
			all = append(all, &pb.Release{Grant: words.GrantMessage(h.ID, h.Epoch), To: uint64(r.to)})
			*room -= size(h.ID)
		}
	}
	return all
}

// takeQuestions makes the messages of a batch in one piece each, since this is
// the path of every cold call.
func (m *membership) takeQuestions(room *int) []*pb.Question {
	n := min(len(m.questions), maxBatch)
	if n == 0 {
		return nil
	}
	all := make([]*pb.Question, 0, n)
	questions, actors := make([]pb.Question, n), make([]pb.Actor, n)
	taken := 0
	for ; taken < n && *room > 0; taken++ {
		q := m.questions[taken]
		if m.tickets[q.ticket] != q {
			continue // over
		}
		message, actor := &questions[len(all)], &actors[len(all)]
		actor.Type, actor.Key = q.id.Type, q.id.Key
		message.Ticket, message.Actor, message.Successor = q.ticket, actor, q.successor
		all = append(all, message)
		*room -= size(q.id)
	}
	rest := copy(m.questions, m.questions[taken:])
	clear(m.questions[rest:])
	m.questions = m.questions[:rest]
	return all
}

// size is about what the name of an actor takes in a batch, in bytes.
func size(id mallee.ID) int { return len(id.Type) + len(id.Key) + batchOverhead }
