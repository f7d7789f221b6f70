package carrier

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mallee-io/mallee/wire/edge"
)

// duplex is what frames run over.
type duplex interface {
	io.ReadWriter
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
	// finish ends what goes to the client, while what comes can still be read.
	finish() error
	// end ends the connection at once, with the code where the carrier has codes.
	end(code edge.Code, reason string)
}

// link is what all connections have in common: deadlines, batches of frames,
// and an orderly end.
type link struct {
	*Acceptor
	to     duplex
	remote netip.AddrPort
	heard  atomic.Uint64

	reading sync.Mutex // held by Read; Close takes it over
	in      input      // guarded by reading
	failed  error      // guarded by reading: what ended it
	left    bool       // guarded by reading: the client is gone, or about to
	vain    ration     // guarded by reading

	writing sync.Mutex
	broken  bool // guarded by writing: a frame was written in part

	pings pings

	deadlines sync.Mutex
	closing   bool      // guarded by deadlines, which are Close's from then on
	until     time.Time // guarded by deadlines: that of writes
	secure    bool      // TLS: it writes by itself, and does not survive a deadline that has passed
}

func (l *link) Heard() uint64          { return l.heard.Load() }
func (l *link) Remote() netip.AddrPort { return l.remote }

// receive is a Read: next reads until there is a frame.
func (l *link) receive(next func() (Frame, error)) (Frame, error) {
	l.reading.Lock()
	defer l.reading.Unlock()
	if l.failed != nil {
		return Frame{}, l.failed
	}
	f, err := next()
	if err != nil {
		l.failed = l.reason(err)
		return Frame{}, l.failed
	}
	return f, nil
}

// reason is what an error of reading is to the caller of Read.
func (l *link) reason(err error) error {
	var bad *edge.Violation
	var closed *Closed
	switch {
	case l.isClosing():
		return net.ErrClosed
	case errors.As(err, &bad):
		return &Closed{Code: bad.Code, Reason: bad.Reason}
	case errors.As(err, &closed):
		l.left = true
		return closed
	case l.in.timed && errors.Is(err, os.ErrDeadlineExceeded):
		return &Closed{Code: edge.CodeIdle, Reason: fmt.Sprintf("a message has not come to its end in %s", l.FrameTimeout)}
	}
	l.left = true
	return fmt.Errorf("read from the client: %w", err)
}

// send writes frames together.
func (l *link) send(frames []*Outgoing, w way) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	if len(frames) == 1 {
		return l.put(frames[0].as(w))
	}
	pooled := l.batches.Get().(*[]byte)
	defer l.batches.Put(pooled)
	batch := (*pooled)[:0]
	for _, f := range frames {
		b := f.as(w)
		if len(batch)+len(b) > cap(batch) {
			if err := l.put(batch); err != nil {
				return err
			}
			batch = batch[:0]
		}
		if len(b) > cap(batch) {
			if err := l.put(b); err != nil {
				return err
			}
			continue
		}
		batch = append(batch, b...)
	}
	return l.put(batch)
}

// control writes what the carrier itself has to say.
func (l *link) control(b []byte) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	return l.put(b)
}

// put writes whole frames. It needs writing.
func (l *link) put(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if err := l.beginWriting(); err != nil {
		return err
	}
	if _, err := l.to.Write(b); err != nil {
		l.broken = true
		return fmt.Errorf("write to the client: %w", err)
	}
	return l.endWriting()
}

// close says the last words and waits for the client to leave, which depart
// reads; then it ends the connection.
func (l *link) close(code edge.Code, reason string, last []byte, depart func() error) {
	if !l.beginClosing() {
		return
	}
	l.writing.Lock()
	told := !l.broken
	if told {
		_, err := l.to.Write(last)
		told = err == nil && l.to.finish() == nil
	}
	l.writing.Unlock()

	l.reading.Lock()
	defer l.reading.Unlock()
	if told && !l.left {
		_ = l.to.SetReadDeadline(time.Now().Add(l.CloseTimeout))
		if depart == nil || l.in.begun || depart() != nil {
			_, _ = io.Copy(io.Discard, l.to)
		}
	}
	l.to.end(code, reason)
	if l.failed == nil {
		l.failed = net.ErrClosed
	}
}

// beginClosing makes a Read return, and a Write that waits for the client
// return soon. It reports false after the first time.
func (l *link) beginClosing() bool {
	l.deadlines.Lock()
	defer l.deadlines.Unlock()
	if l.closing {
		return false
	}
	l.closing = true
	now := time.Now()
	_ = l.to.SetReadDeadline(now.Add(-time.Second))
	_ = l.to.SetWriteDeadline(now.Add(l.CloseTimeout))
	return true
}

// beginWriting gives a write its deadline. Setting one takes about as long as
// writing, so it is set further ahead, for the next writes too.
func (l *link) beginWriting() error {
	l.deadlines.Lock()
	defer l.deadlines.Unlock()
	if l.closing {
		return net.ErrClosed
	}
	now := time.Now()
	if l.until.Sub(now) >= l.WriteTimeout {
		return nil
	}
	l.until = now.Add(l.WriteTimeout + l.WriteTimeout/4)
	return l.to.SetWriteDeadline(l.until)
}

func (l *link) endWriting() error {
	if !l.secure {
		return nil
	}
	l.deadlines.Lock()
	defer l.deadlines.Unlock()
	if l.closing {
		return net.ErrClosed
	}
	l.until = time.Time{}
	return l.to.SetWriteDeadline(l.until)
}

func (l *link) isClosing() bool {
	l.deadlines.Lock()
	defer l.deadlines.Unlock()
	return l.closing
}

// readWithin sets the deadline of reads, none for 0, unless Close has set its
// own, which ends them soon enough.
func (l *link) readWithin(d time.Duration) error {
	l.deadlines.Lock()
	defer l.deadlines.Unlock()
	if l.closing {
		return nil
	}
	if d == 0 {
		return l.to.SetReadDeadline(time.Time{})
	}
	return l.to.SetReadDeadline(time.Now().Add(d))
}

// maxReason is how long a reason may be, in bytes: what a close frame of a
// WebSocket has room for.
const maxReason = 123

// shorten makes a reason fit, and cuts it between characters.
func shorten(reason string) string {
	reason = strings.ToValidUTF8(reason, "\uFFFD")
	if len(reason) <= maxReason {
		return reason
	}
	cut := maxReason
	for cut > 0 && reason[cut]&0xC0 == 0x80 {
		cut--
	}
	return reason[:cut]
}
