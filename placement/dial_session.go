package placement

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mallee-io/mallee"
	pb "github.com/mallee-io/mallee/internal/gen/placementpb"
	"github.com/mallee-io/mallee/placement/driver"
	"github.com/mallee-io/mallee/placement/internal/words"
)

const (
	// welcomeTimeout bounds how long a process may take to say whether it leads.
	welcomeTimeout = 3 * time.Second
	// maxBeats is how many times of its own beat a leader may say nothing. The
	// stream of one that is paused or cut off stays open, and the next leader
	// would wait for the report of this node.
	maxBeats = 3
	// minSilence and maxSilence bound what is made of the leader's beat.
	minSilence = time.Second
	maxSilence = time.Minute
)

var errSilent = errors.New("it says nothing any more")

// elsewhere is what a process says that does not lead.
type elsewhere struct{ addr string }

func (e *elsewhere) Error() string {
	if e.addr == "" {
		return "it does not lead and knows of no leader"
	}
	return "it does not lead, " + e.addr + " does"
}

// run keeps a session with the leader until the membership ends.
func (m *membership) run() {
	s := search{addrs: m.d.processes.order()}
	var tried failures
	for {
		addr := s.addr()
		lasted, err := m.serve(addr)
		if m.ctx.Err() != nil {
			return
		}
		if lasted > 0 {
			m.d.config.Log.Warn("session with the placement driver lost", "node", m.id, "at", addr, "error", err)
			tried = failures{}
		}
		tried.note(addr, err)
		m.disconnect(tried.String())
		m.d.processes.forget(addr)
		if status.Code(err) == codes.FailedPrecondition && errors.Is(m.keep(m.ctx), mallee.ErrFenced) {
			return // else it was a leader of the past, who does not know the node
		}
		hint := ""
		if e := (*elsewhere)(nil); errors.As(err, &e) {
			hint = e.addr
		}
		if !wait(m.ctx, s.failed(lasted, hint)) {
			return
		}
	}
}

// serve holds a session with the process at an address until it ends, and tells
// how long it has lasted; 0: there was none.
func (m *membership) serve(addr string) (lasted time.Duration, err error) {
	client, err := m.d.processes.client(addr)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithCancelCause(m.ctx)
	var writer sync.WaitGroup
	defer writer.Wait()
	defer cancel(nil)
	defer func() {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
	}()
	silent := time.AfterFunc(welcomeTimeout, func() { cancel(errSilent) })
	defer silent.Stop()
	stream, err := m.greet(ctx, client)
	if err != nil {
		return 0, err
	}
	b, err := receive(stream)
	if err != nil {
		return 0, err
	}
	term, err := m.connect(addr, b.GetWelcome())
	if err != nil {
		return 0, err
	}
	writer.Go(func() {
		if err := m.write(ctx, stream); err != nil {
			cancel(err)
		}
	})
	patience, begun := silence(b.GetWelcome()), m.d.now()
	for ; err == nil; b, err = receive(stream) {
		silent.Reset(patience)
		m.obey(b, term)
	}
	return max(m.d.now()-begun, 1), err
}

// silence is how long the leader may say nothing.
func silence(w *pb.Welcome) time.Duration {
	if w.BeatMs <= 0 {
		return math.MaxInt64
	}
	beat := time.Duration(min(w.BeatMs, maxSilence.Milliseconds())) * time.Millisecond
	return min(max(maxBeats*beat, minSilence), maxSilence)
}

type sessionStream = pb.Placement_SessionClient

// greet begins a stream.
func (m *membership) greet(ctx context.Context, client pb.PlacementClient) (sessionStream, error) {
	stream, err := client.Session(ctx)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	hello := &pb.Hello{Node: uint64(m.id), Lease: m.lease, Term: m.term}
	m.mu.Unlock()
	return stream, send(stream, &pb.NodeBatch{Hello: hello})
}

func send(stream sessionStream, b *pb.NodeBatch) error {
	err := stream.Send(b)
	if err == io.EOF {
		return nil // the stream has ended, and the reader gets told why
	}
	return err
}

func receive(stream sessionStream) (*pb.LeaderBatch, error) {
	b, err := stream.Recv()
	switch {
	case err == io.EOF:
		return nil, errors.New("it has ended the session")
	case err != nil:
		return nil, err
	case b.GetElsewhere() != nil:
		return nil, &elsewhere{b.GetElsewhere().GetAddr()}
	}
	return b, nil
}

// write sends what gathers while the batch before is being sent.
func (m *membership) write(ctx context.Context, stream sessionStream) error {
	for {
		runtime.Gosched() // let those who are about to ask come with this batch
		if b := m.batch(); b != nil {
			if err := send(stream, b); err != nil {
				return err
			}
			continue
		}
		select {
		case <-m.filled:
		case <-ctx.Done():
			return nil
		}
	}
}

// connect begins to speak with a leader that has welcomed the member: it gets
// the report where it needs one, and all questions and releases that are open.
func (m *membership) connect(addr string, w *pb.Welcome) (term uint64, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case w == nil:
		return 0, errors.New("it begins without a welcome")
	case w.Term > driver.MaxTerm:
		return 0, fmt.Errorf("its term %d is past the last one", w.Term)
	case w.Term < m.term:
		return 0, fmt.Errorf("it leads term %d, which term %d has followed", w.Term, m.term)
	}
	if err := m.check(); err != nil {
		return 0, err
	}
	m.open, m.telling = true, m.status != nil
	if w.Report || w.Term > m.term {
		m.report, _ = m.holder.Report(w.Term) // false only to an earlier term
		m.reporting = true
	}
	m.term = w.Term
	m.repeatReleases()
	for _, q := range m.asking {
		m.submit(q)
	}
	m.doing = fmt.Sprintf("%s, which leads the placement driver in term %d, has yet to answer", addr, w.Term)
	m.signal()
	return w.Term, nil
}

// disconnect makes what was asked over the stream before worth nothing.
func (m *membership) disconnect(because string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.doing = because
	m.close()
	for _, q := range m.asking {
		m.retract(q)
	}
}

// obey takes what the leader of a term says.
func (m *membership) obey(b *pb.LeaderBatch, term uint64) {
	m.mu.Lock()
	for _, a := range b.Answers {
		m.answer(a, term)
	}
	m.taken(b.Released, term)
	m.mu.Unlock()
	for _, node := range b.Lost {
		m.d.roster.drop(NodeID(node))
	}
	if m.control == nil {
		return
	}
	for _, node := range b.Lost {
		m.control.Lost(NodeID(node))
	}
	for _, move := range b.Moves {
		m.control.Move(words.ID(move.GetGrant().GetActor()), Grant{Node: m.id, Epoch: move.GetGrant().GetEpoch()}, NodeID(move.GetTo()))
	}
	switch b.Command {
	case pb.Command_COMMAND_CORDON:
		m.control.Cordon(true)
	case pb.Command_COMMAND_UNCORDON:
		m.control.Cordon(false)
	case pb.Command_COMMAND_DRAIN:
		m.control.Drain()
	}
}
