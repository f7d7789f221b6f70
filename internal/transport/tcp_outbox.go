package transport

import (
	"net"
	"runtime"
	"sync"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/wire"
)

// outbox gathers frames that wait to be written. Senders append under a short
// lock; one flusher takes all that has gathered and writes it at once.
type outbox struct {
	limit int // bytes for requests; answers get twice as much

	mu      sync.Mutex
	filled  sync.Cond
	buf     []byte // waits
	spare   []byte // for the next batch
	writing int    // bytes that the flusher has taken and not yet written
	refuses bool   // the peer takes no requests
	ending  bool   // takes nothing more; what waits is still written
}

// keepBuffer is the largest buffer that is kept for reuse, in bytes.
const keepBuffer = 1 << 20

// outcome of an attempt to append.
type outcome uint8

const (
	appended outcome = iota
	refused          // the peer takes no requests
	full
	overfull // even for answers
	ended
)

func (o *outbox) init(limit int) {
	o.limit = limit
	o.filled.L = &o.mu
}

// append takes a frame, which is within the bounds of frames.
func (o *outbox) append(kind Kind, meta, body []byte) outcome {
	o.mu.Lock()
	defer o.mu.Unlock()
	if denied := o.admit(kind, wire.FrameHeader+len(meta)+len(body)); denied != appended {
		return denied
	}
	o.push(meta, body)
	return appended
}

// frame takes a frame that has been written already.
func (o *outbox) frame(kind Kind, frame []byte) outcome {
	o.mu.Lock()
	defer o.mu.Unlock()
	if denied := o.admit(kind, len(frame)); denied != appended {
		return denied
	}
	if len(o.buf) == 0 {
		o.filled.Signal()
	}
	o.buf = append(o.buf, frame...)
	return appended
}

// admit decides about a frame. It needs mu.
func (o *outbox) admit(kind Kind, size int) outcome {
	total := len(o.buf) + o.writing + size
	switch {
	case o.ending:
		return ended
	case kind.asks() && o.refuses:
		return refused
	case total > 2*o.limit && len(o.buf)+o.writing > 0:
		return overfull
	case kind != Reply && total > o.limit && len(o.buf)+o.writing > 0:
		return full
	}
	return appended
}

// push needs mu.
func (o *outbox) push(meta, body []byte) {
	if len(o.buf) == 0 {
		o.filled.Signal()
	}
	o.buf, _ = wire.AppendFrame(o.buf, meta, body) // checked by the sender
}

// control appends a frame of the connection's own.
func (o *outbox) control(kind byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.ending {
		o.push(controlMeta(kind), nil)
	}
}

// refuse ends requests, and says behind the last of them that it was the last.
func (o *outbox) refuse() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.refuses = true
	if !o.ending {
		o.push(controlMeta(controlClosed), nil)
	}
}

// refusing reports whether the peer takes no requests.
func (o *outbox) refusing() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.refuses
}

// ping makes sure that something is on its way.
func (o *outbox) ping() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.ending && len(o.buf)+o.writing == 0 {
		o.push(controlMeta(controlPing), nil)
	}
}

// finish lets the flusher write what waits, and end.
func (o *outbox) finish() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ending = true
	o.filled.Signal()
}

// drop lets the flusher end at once.
func (o *outbox) drop() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ending, o.buf = true, nil
	o.filled.Signal()
}

// take waits for frames; an empty batch says that there will be none any more.
func (o *outbox) take() []byte {
	runtime.Gosched()
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.buf) == 0 && !o.ending {
		o.filled.Wait()
	}
	batch := o.buf
	o.buf, o.spare = o.spare, nil
	o.writing = len(batch)
	return batch
}

// wrote gives the batch back.
func (o *outbox) wrote(batch []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.writing = 0
	if cap(batch) <= keepBuffer {
		o.spare = batch[:0]
	}
}

// maxWrite is the most that has to be taken by the peer within the time of
// silence, in bytes.
const maxWrite = 256 << 10

// writeTo writes what is appended until finish or drop.
func (o *outbox) writeTo(c net.Conn, silence time.Duration) error {
	for {
		batch := o.take()
		if len(batch) == 0 {
			return nil
		}
		for rest := batch; len(rest) > 0; {
			part := rest[:min(len(rest), maxWrite)]
			_ = c.SetWriteDeadline(time.Now().Add(silence))
			if _, err := c.Write(part); err != nil {
				return err
			}
			rest = rest[len(part):]
		}
		o.wrote(batch)
	}
}

// send says what became of a message.
func (c *conn) send(m *Message) error {
	var scratch [256]byte
	meta, body := AppendMeta(scratch[:0], m), m.Body
	if err := checkSize(meta, body, m); err != nil {
		if m.Kind != Reply {
			return err
		}
		// The caller must not wait for an answer that cannot be sent.
		meta, body = AppendMeta(scratch[:0], &Message{Kind: Reply, Call: m.Call, Error: err}), nil
	}
	switch c.out.append(m.Kind, meta, body) {
	case refused:
		return unavailable("node %s is stopping and takes no calls", c.peer)
	case full:
		return mallee.ErrOverloaded.Errorf("node %s is slow to read: more than %d bytes wait for it", c.peer, c.out.limit).BeforeRun()
	case overfull:
		c.fail(errNotReading)
		return unavailable("node %s does not read what is sent to it", c.peer)
	case ended:
		return unavailable("the connection to node %s has ended", c.peer)
	}
	return nil
}

func checkSize(meta, body []byte, m *Message) *mallee.Error {
	if len(meta) <= wire.MaxFrameMeta && len(body) <= wire.MaxFrameBody {
		return nil
	}
	switch m.Kind {
	case Gossip:
		return mallee.ErrInvalid.Errorf("%d bytes of replicated values: at most %d can be sent to another node", len(body), wire.MaxFrameBody).BeforeRun()
	case Reply:
		return mallee.ErrInvalid.Errorf("the result has %d bytes, and at most %d can be sent to another node", len(body), wire.MaxFrameBody)
	}
	return mallee.ErrInvalid.Errorf("the arguments of %s.%s have %d bytes and their address %d: at most %d and %d can be sent to another node",
		m.Actor, m.Method, len(body), len(meta), wire.MaxFrameBody, wire.MaxFrameMeta).BeforeRun()
}
