package pd

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/gen/placementpb"
	"github.com/mallee-io/mallee/placement/driver"
	"github.com/mallee-io/mallee/placement/internal/words"
)

// helloPatience bounds how long a stream may say nothing in the beginning.
const helloPatience = 10 * time.Second

var errReplaced = mallee.ErrUnavailable.Errorf("the node has begun another session").BeforeRun()

// session is the stream of a member with the leader.
type session struct {
	node  driver.NodeID
	lease clientv3.LeaseID
	out   *outbox

	once sync.Once
	end  chan struct{}
	why  error // why the leader has ended it; read after end
}

func (s *session) cut(why error) {
	s.once.Do(func() {
		s.why = why
		close(s.end)
	})
}

type sessionStream = grpc.BidiStreamingServer[placementpb.NodeBatch, placementpb.LeaderBatch]

// Session implements placementpb.PlacementServer.
func (s *Server) Session(stream sessionStream) error {
	if err := s.await(stream.Context()); err != nil {
		return statusOf(err)
	}
	return statusOf(s.session(stream))
}

func (s *Server) session(stream sessionStream) error {
	batches := make(chan *placementpb.NodeBatch)
	end := &session{out: newOutbox(), end: make(chan struct{})}
	defer end.cut(nil)
	go receive(stream, batches, end)
	hello, err := greeting(stream.Context(), batches, end)
	if err != nil {
		return err
	}
	mine, seen, _ := s.election.now()
	if mine == nil {
		elsewhere := &placementpb.Elsewhere{}
		if seen.Addr != s.config.Advertise {
			elsewhere.Addr = seen.Addr
		}
		return stream.Send(&placementpb.LeaderBatch{Elsewhere: elsewhere})
	}
	end.node, end.lease = driver.NodeID(hello.GetNode()), clientv3.LeaseID(hello.GetLease())
	welcome, err := mine.attach(end)
	if err != nil {
		return err
	}
	defer mine.detach(end)
	go send(stream, welcome, end)
	for {
		select {
		case b := <-batches:
			if err := mine.take(end, b); err != nil {
				return err
			}
		case <-end.out.full:
			return errDeaf
		case <-end.end:
			return end.why
		}
	}
}

// greeting waits for the hello.
func greeting(ctx context.Context, batches <-chan *placementpb.NodeBatch, s *session) (*placementpb.Hello, error) {
	ctx, cancel := context.WithTimeout(ctx, helloPatience)
	defer cancel()
	select {
	case b := <-batches:
		if b.GetHello() == nil {
			return nil, mallee.ErrInvalid.Errorf("a session begins with a hello")
		}
		return b.GetHello(), nil
	case <-s.end:
		return nil, s.why
	case <-ctx.Done():
		return nil, mallee.ErrTimeout.Errorf("no hello within %s", helloPatience)
	}
}

// receive reads until the stream or the session ends. It is a goroutine of its
// own, since only the return of the handler ends a read.
func receive(stream sessionStream, batches chan<- *placementpb.NodeBatch, s *session) {
	for {
		b, err := stream.Recv()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			s.cut(err)
			return
		}
		select {
		case batches <- b:
		case <-s.end:
			return
		}
	}
}

// beat is how often a member hears something: one whose leader was stopped, or
// is behind a broken network, looks for another.
const beat = 500 * time.Millisecond

// send writes what gathers in the outbox. A node that does not read blocks it
// until the handler returns.
func send(stream sessionStream, welcome *placementpb.Welcome, s *session) {
	welcome.BeatMs = beat.Milliseconds()
	err := stream.Send(&placementpb.LeaderBatch{Welcome: welcome})
	silent := time.NewTimer(beat)
	defer silent.Stop()
	for err == nil {
		select {
		case <-s.end:
			return
		case <-s.out.ready:
			if b := s.out.take(); b != nil {
				err = stream.Send(b)
			}
		case <-silent.C:
			err = stream.Send(new(placementpb.LeaderBatch))
		}
		silent.Reset(beat)
	}
	s.cut(err)
}

// heldOf reads a part of a report.
func heldOf(grants []*placementpb.Grant) ([]driver.Held, error) {
	held := make([]driver.Held, len(grants))
	for i, g := range grants {
		held[i] = driver.Held{ID: words.ID(g.GetActor()), Epoch: g.GetEpoch()}
		if err := held[i].ID.Validate(); err != nil {
			return nil, err
		}
	}
	return held, nil
}
