package stream

import (
	"time"

	"github.com/mallee-io/mallee/gateway/internal/carrier"
)

// Queue bounds what waits for an actor, of one client. All sessions of a
// gateway share one.
type Queue struct {
	Messages int // at least 1
	Bytes    int // at least 1; a single message may be larger
}

// In is what comes from one client: how much of the epoch has come, and what
// waits for the actor. After a resume the client sends again what is missing,
// no more, so that nothing comes twice.
//
// A session's lock guards it. See NewIn.
type In struct {
	bounds   *Queue
	ring     ring[Waiting]
	received uint64
	acked    uint64
	bytes    int
}

// Waiting is a message that waits for its turn.
type Waiting struct {
	Frame carrier.Frame
	Since time.Duration // by the caller's clock
}

// NewIn is the stream of a client in a new epoch.
func NewIn(bounds *Queue) In { return In{bounds: bounds} }

// Push takes a data frame that has come. The caller reads no further while Full
// says so; what it has read nevertheless is taken.
func (i *In) Push(frame carrier.Frame, now time.Duration) {
	i.received++
	i.wait(Waiting{frame, now})
}

func (i *In) wait(w Waiting) {
	i.ring.push(w)
	i.bytes += len(w.Frame.Data)
}

// Full reports whether the client should not be read.
func (i *In) Full() bool {
	return int(i.ring.count) >= i.bounds.Messages || i.bytes >= i.bounds.Bytes
}

// Len is how many messages wait.
func (i *In) Len() int { return int(i.ring.count) }

// Held is how much memory what waits takes, in bytes.
func (i *In) Held() int { return i.bytes + perMessage*int(i.ring.count) }

// Clear forgets what waits: nobody will take it.
func (i *In) Clear() {
	for i.ring.count > 0 {
		i.Pop()
	}
}

// First is the message whose turn is next. It stays until Pop: a message that
// has certainly not run is tried again.
func (i *In) First() (Waiting, bool) {
	if i.ring.count == 0 {
		return Waiting{}, false
	}
	return *i.ring.at(0), true
}

// Pop takes the first message away.
func (i *In) Pop() {
	i.bytes -= len(i.ring.pop().Frame.Data)
}

// Received is how many data frames of the epoch have come.
func (i *In) Received() uint64 { return i.received }

// Ack is how many messages have come to their end in the actor, when there are
// at least every ones that the client has not been told of. What only waits is
// not acknowledged: if this process dies, the client has to know what it cannot
// be sure of.
func (i *In) Ack(every uint64) (done uint64, due bool) {
	done = i.done()
	if done < i.acked+every {
		return 0, false
	}
	i.acked = done
	return done, true
}

// done leaves out what waits. Of an epoch before there may be more in front.
func (i *In) done() uint64 { return i.received - min(i.received, uint64(i.ring.count)) }

// Begin begins a new epoch: the client counts from 0. What waits goes on waiting.
func (i *In) Begin() { i.received, i.acked = 0, 0 }

// Sweep gives back memory that a session does not need for the time being.
func (i *In) Sweep() { i.ring.release() }

// Waiting is what waits, for another gateway. It shares the data.
func (i *In) Waiting() []carrier.Frame {
	frames := make([]carrier.Frame, i.ring.count)
	for k := range frames {
		frames[k] = i.ring.at(uint32(k)).Frame
	}
	return frames
}

// RestoreIn is the stream that another gateway had.
func RestoreIn(bounds *Queue, received uint64, waiting []carrier.Frame, now time.Duration) In {
	i := In{bounds: bounds, received: received}
	for _, f := range waiting {
		i.wait(Waiting{f, now})
	}
	i.acked = i.done()
	return i
}
