package gateway

import (
	"errors"
	"os"

	"github.com/mallee-io/mallee/gateway/internal/carrier"
	"github.com/mallee-io/mallee/wire/edge"
)

const (
	batchBytes = 64 << 10 // at least, where there is that much
	batchLen   = 64       // that a batch which is kept has room for
)

// batch is what goes into one write. They are used again.
type batch struct{ frames []*carrier.Outgoing }

// wake starts a goroutine that writes, where there is something and none does.
// It needs mu.
func (s *session) wake() { s.wakeBy(nil) }

// wakeBy lets a fan write instead, if there is one.
func (s *session) wakeBy(f *fan) {
	if s.conn == nil || s.writing == s.conn || s.state == opening {
		return
	}
	if len(s.urgent) > 0 || s.closing != nil || s.out.Pending() {
		s.writing = s.conn
		f.add(s, s.conn)
	}
}

// write writes until nothing is left for the connection.
func (s *session) write(conn carrier.Conn) {
	b := s.gateway.batches.Get().(*batch)
	defer s.gateway.batches.Put(b)
	for s.fill(conn, b) {
		err := conn.Write(b.frames)
		sent, bytes := len(b.frames), 0
		for _, f := range b.frames {
			bytes += len(f.Data)
		}
		clear(b.frames)
		b.frames = b.frames[:0]
		if err != nil {
			s.unwritten(conn, err)
			return
		}
		s.gateway.counts.written.Add(int64(sent))
		s.gateway.counts.writtenBytes.Add(int64(bytes))
	}
	if cap(b.frames) > batchLen {
		b.frames = nil
	}
}

// fill takes what is to be written next. It reports false when there is
// nothing; then this goroutine does not write any more.
func (s *session) fill(conn carrier.Conn, b *batch) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != conn {
		if s.writing == conn {
			s.writing = nil
		}
		return false
	}
	b.frames = append(b.frames, s.urgent...)
	s.urgent = nil
	b.frames = s.out.Take(b.frames, batchBytes)
	s.account()
	if len(b.frames) > 0 {
		return true
	}
	s.writing = nil
	if s.closing != nil {
		s.closeNow(s.closing.Code, s.closing.Reason)
	}
	return false
}

// unwritten: the client has not read for as long as it may, or is gone.
func (s *session) unwritten(conn carrier.Conn, err error) {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		s.lost(conn, new(carrier.Closed))
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != conn {
		return
	}
	if s.closing != nil {
		s.closeNow(s.closing.Code, s.closing.Reason)
		return
	}
	s.hangUp(edge.CodeSlow, "the client does not read")
}
