package replicated

import (
	"cmp"
	"context"
	"errors"
	"io"
	"sync"

	"google.golang.org/protobuf/proto"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/sidecar/internal/command"
)

// Answer is one of the answers of the user function to a command.
type Answer struct {
	Action  *cloudstatepb.ClientAction // nil: nothing for the caller
	Effects []*cloudstatepb.SideEffect
	First   bool // the reply; what follows are messages of a stream

	last bool
	bare bool  // there is no answer, the call only ends
	err  error // why
}

// ending ends a call, which fails with err unless that is nil.
func ending(err error) *Answer { return &Answer{last: true, bare: true, err: err} }

// ErrCompleted is the end, in good order, of a stream that the user function has
// not ended: the sidecar ends.
var ErrCompleted = errors.New("the stream ends with its sidecar")

// Call is a command to an entity. One goroutine at a time receives.
type Call struct {
	instance *instance
	command  *command.Command // until it is given to the user function
	streams  bool             // what its method answers with
	limit    int              // of what waits in it, in bytes

	id int64 // of the command; 0: not given to the user function yet; guarded by the instance

	mu      sync.Mutex
	queue   []*Answer
	size    int           // of the queue, in bytes
	first   bool          // the reply was received
	left    bool          // nobody wants more
	stopped error         // the caller gets no more, but there may be more to receive
	ended   error         // after the last answer
	changed chan struct{} // gets a value when there is something for Recv
}

// Recv is the next answer, or io.EOF after the last. A call whose Recv or answers
// have failed has to be left.
func (c *Call) Recv(ctx context.Context) (*Answer, error) {
	for {
		if a, err := c.next(); a != nil || err != nil {
			return a, err
		}
		select {
		case <-c.changed:
		case <-ctx.Done():
			return nil, mallee.AsError(ctx.Err())
		}
	}
}

func (c *Call) next() (*Answer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.ended != nil:
		return nil, c.ended
	case c.overtaken() && !c.left:
		return nil, c.stopped
	case len(c.queue) == 0:
		return nil, nil
	}
	a := c.queue[0]
	c.queue[0], c.queue = nil, c.queue[1:]
	c.size -= sizeOf(a)
	c.first = true
	if a.last {
		c.ended = cmp.Or(a.err, io.EOF)
	}
	if a.bare {
		return nil, c.ended
	}
	return a, nil
}

// overtaken reports whether the caller gets no more. One whose sidecar ends gets
// what there is, and a reply.
func (c *Call) overtaken() bool {
	return c.stopped != nil && (c.stopped != ErrCompleted || c.first && len(c.queue) == 0)
}

// put adds an answer, and reports false when a stream's caller is too far behind:
// it gets no more.
func (c *Call) put(a *Answer) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue = append(c.queue, a)
	c.size += sizeOf(a)
	c.wake()
	if c.size <= c.limit || a.last || c.left || c.stopped != nil {
		return true
	}
	c.stopped = mallee.ErrOverloaded.Errorf("%d bytes of a stream wait for their caller, more than the %d that may", c.size, c.limit)
	return false
}

// sizeOf is about what an answer takes up.
func sizeOf(a *Answer) int {
	const fixed = 256
	n := fixed
	if a.Action != nil {
		n += proto.Size(a.Action)
	}
	for _, e := range a.Effects {
		n += proto.Size(e)
	}
	return n
}

// complete ends the stream for its caller.
func (c *Call) complete() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = cmp.Or(c.stopped, ErrCompleted)
	c.wake()
}

// wake is called with the lock held.
func (c *Call) wake() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// Leave says that the caller has gone, and reports whether there is more to
// receive nevertheless: the side effects of what the user function answers.
func (c *Call) Leave() (more bool) {
	c.mu.Lock()
	c.left = true
	more = c.ended == nil
	c.mu.Unlock()
	if more {
		c.instance.leave(c)
	}
	return more
}
