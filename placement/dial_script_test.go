package placement_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/mallee-io/mallee"
	pb "github.com/mallee-io/mallee/internal/gen/placementpb"
	"github.com/mallee-io/mallee/placement"
)

// line is the leader's side of a session in a script.
type line struct {
	t      *testing.T
	stream pb.Placement_SessionServer
}

// play lets a process do what a script says in each of its sessions.
func (f *fake) play(i int, script func(line)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.procs[i].script = func(stream pb.Placement_SessionServer) error {
		script(line{f.tb.(*testing.T), stream})
		return nil
	}
}

func (l line) say(b *pb.LeaderBatch) { _ = l.stream.Send(b) } // who is not heard is not answered

// hello takes the first batch.
func (l line) hello() *pb.Hello {
	b, err := l.stream.Recv()
	if err != nil || b.Hello == nil {
		l.t.Errorf("no hello: %v, %v", b, err)
		return &pb.Hello{}
	}
	return b.Hello
}

// until reads batches up to the first that has something; nil: the stream has ended.
func (l line) until(has func(*pb.NodeBatch) bool) *pb.NodeBatch {
	for {
		b, err := l.stream.Recv()
		if err != nil || has(b) {
			return b
		}
	}
}

func asks(b *pb.NodeBatch) bool { return len(b.Questions) > 0 }

func (l line) welcome(term uint64, report bool) {
	l.say(&pb.LeaderBatch{Welcome: &pb.Welcome{Term: term, Report: report}})
}

func (l line) answer(ticket uint64, n placement.NodeID, epoch uint64) {
	l.say(&pb.LeaderBatch{Answers: []*pb.Answer{{Ticket: ticket, Node: uint64(n), Epoch: epoch}}})
}

// An answer that was under way when the term ended is refused: the next leader
// has been told that the node holds nothing, and may have placed the actor.
func TestDialRefusesAnAnswerOfAnEarlierTerm(t *testing.T) {
	t.Parallel()
	f := newFake(t, 2)
	var older uint64
	asked := make(chan struct{})
	f.play(0, func(l line) {
		if h := l.hello(); h.Term > 1 {
			l.welcome(1, false) // it does not know yet that it leads no more
			if b := l.until(asks); b != nil {
				t.Errorf("a leader of the term before is asked %v", b)
			}
			return
		}
		l.welcome(1, false)
		if b := l.until(asks); b != nil {
			older = b.Questions[0].Ticket
			close(asked)
		}
	})
	f.play(1, func(l line) {
		if h := l.hello(); h.Term != 1 && h.Term != 2 {
			t.Errorf("hello of term %d", h.Term)
		}
		<-asked
		l.welcome(2, true)
		b := l.until(func(b *pb.NodeBatch) bool { return b.Reported })
		if len(b.GetReport()) != 0 {
			t.Errorf("it reports %v", b.GetReport())
		}
		if !asks(b) {
			b = l.until(asks)
		}
		if b.Questions[0].Ticket == older {
			t.Error("a ticket is used twice")
		}
		l.answer(older, 1, 1<<40+1)
		l.answer(b.Questions[0].Ticket, 1, 2<<40+1)
		l.until(func(*pb.NodeBatch) bool { return false })
	})
	a := f.join("a", nil)
	if g := a.locate(t, "1"); g.Epoch != 2<<40+1 {
		t.Errorf("it holds %+v", g)
	}
}

// An answer that was given before the release of the same grant arrived is no
// grant: the node asks again, and again.
func TestDialAsksAgainForWhatItHasReleased(t *testing.T) {
	t.Parallel()
	f := newFake(t, 1)
	tickets := make(map[uint64]bool)
	f.play(0, func(l line) {
		l.hello()
		l.welcome(1, false)
		for epoch := 0; ; epoch++ {
			b := l.until(asks)
			if b == nil {
				return
			}
			for _, q := range b.Questions {
				if tickets[q.Ticket] {
					t.Errorf("ticket %d is used twice", q.Ticket)
				}
				tickets[q.Ticket] = true
				if epoch < 5 {
					l.answer(q.Ticket, 1, 7)
				} else {
					l.answer(q.Ticket, 1, 8)
					l.say(&pb.LeaderBatch{Released: []*pb.Grant{{Actor: q.Actor, Epoch: 7}}})
				}
			}
		}
	})
	a := f.join("a", nil)
	g := a.locate(t, "1")
	if g.Epoch != 7 {
		t.Fatalf("%+v", g)
	}
	if err := a.Release(ctx(t), id("1"), g, 0); err != nil {
		t.Fatal(err)
	}
	if again := a.locate(t, "1"); again.Epoch != 8 {
		t.Errorf("%+v, which it has released", again)
	}
}

// Processes that send a node in a circle are not asked without pause.
func TestDialLeavesCirclesOfElsewhere(t *testing.T) {
	t.Parallel()
	f := newFake(t, 2)
	var sessions atomic.Int64
	for i := range 2 {
		f.play(i, func(l line) {
			l.hello()
			sessions.Add(1)
			l.say(&pb.LeaderBatch{Elsewhere: &pb.Elsewhere{Addr: f.procs[1-i].addr}})
		})
	}
	a := f.join("a", nil)
	short, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := a.Locate(short, a.id, id("1"))
	if !errors.Is(err, mallee.ErrUnavailable) || !strings.Contains(err.Error(), f.procs[0].addr) {
		t.Errorf("got %v", err)
	}
	if n := sessions.Load(); n > 100 {
		t.Errorf("%d sessions", n)
	}
	f.mu.Lock()
	f.procs[0].script, f.procs[1].script = nil, nil
	f.mu.Unlock()
	a.locate(t, "1")
}

// A leader that is paused keeps its stream open, and is left all the same.
func TestDialLeavesASilentLeader(t *testing.T) {
	t.Parallel()
	f := newFake(t, 2)
	f.play(0, func(l line) {
		l.hello()
		l.say(&pb.LeaderBatch{Welcome: &pb.Welcome{Term: 1, BeatMs: 1}})
		l.until(func(*pb.NodeBatch) bool { return false })
	})
	a := f.join("a", nil)
	f.lead(1)
	a.locate(t, "1")
}

// Whatever a process says, the node goes on, and takes no nonsense for a grant.
func TestDialSurvivesNonsense(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		f := newFake(t, 1)
		defer f.procs[0].server.Stop()
		batches := rapid.SliceOfN(rapid.Custom(nonsense), 0, 5).Draw(r, "batches")
		sane := false
		f.play(0, func(l line) {
			if sane {
				l.hello()
				l.welcome(4, false) // after those that the nonsense may name
				for b := l.until(asks); b != nil; b = l.until(asks) {
					for _, q := range b.Questions {
						l.answer(q.Ticket, 99, 1)
					}
				}
				return
			}
			sane = true
			for _, b := range batches {
				l.say(proto.Clone(b).(*pb.LeaderBatch))
			}
		})
		a := f.join("a", &told{tell: make(chan struct{}, 1)})
		defer a.Leave(context.Background(), a.id)
		g, err := a.Locate(ctx(t), a.id, id("1"))
		if err == nil && g.Node == 0 {
			r.Errorf("located at %+v", g)
		}
	})
}

// nonsense is a batch of a leader that is out of its mind.
func nonsense(r *rapid.T) *pb.LeaderBatch {
	number := rapid.SampledFrom([]uint64{0, 1, 2, 3, 1 << 40, math.MaxUint64})
	var b pb.LeaderBatch
	if rapid.Bool().Draw(r, "welcome") {
		b.Welcome = &pb.Welcome{Term: number.Draw(r, "term"), Report: rapid.Bool().Draw(r, "report")}
	}
	if rapid.IntRange(0, 5).Draw(r, "elsewhere") == 0 {
		b.Elsewhere = &pb.Elsewhere{Addr: rapid.SampledFrom([]string{"", "nowhere", "127.0.0.1:1", "%%%"}).Draw(r, "addr")}
	}
	for range rapid.IntRange(0, 20).Draw(r, "answers") {
		a := &pb.Answer{Ticket: number.Draw(r, "ticket"), Node: number.Draw(r, "node"), Epoch: number.Draw(r, "epoch")}
		if rapid.Bool().Draw(r, "error") {
			a.Error = &pb.Error{Code: rapid.SampledFrom([]string{"", "not_found", "NO CODE"}).Draw(r, "code")}
		}
		b.Answers = append(b.Answers, a)
	}
	if rapid.Bool().Draw(r, "rest") {
		b.Released = []*pb.Grant{{}, {Actor: &pb.Actor{Type: "P", Key: "1"}, Epoch: 7}}
		b.Moves = []*pb.Move{{}, {Grant: &pb.Grant{}}}
		b.Lost = []uint64{0, number.Draw(r, "lost")}
		b.Command = pb.Command(rapid.IntRange(-1, 4).Draw(r, "command"))
	}
	return &b
}
