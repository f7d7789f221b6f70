package gateway

import (
	"errors"

	"github.com/mallee-io/mallee/gateway/internal/carrier"
	"github.com/mallee-io/mallee/gateway/internal/limit"
	"github.com/mallee-io/mallee/wire/edge"
)

// read takes what the client sends until the connection has ended, or is
// another session's business.
func (s *session) read(conn carrier.Conn) {
	var messages, bytes limit.Bucket
	c := &s.gateway.config
	for {
		f, err := conn.Read()
		if err == nil {
			now := s.gateway.now()
			if messages.Take(&c.Messages, 1, now) > 0 || bytes.Take(&c.Bytes, int64(len(f.Data)), now) > 0 {
				err = errTooMuch
			} else {
				err = s.take(conn, f)
			}
		}
		if err == errNotOurs {
			return
		}
		if err != nil {
			s.lost(conn, ending(err))
			return
		}
	}
}

var errTooMuch = &carrier.Closed{Code: edge.CodeRateLimited, Reason: "more messages or bytes than the gateway allows"}

// errNotOurs: the client has another connection now, or none.
var errNotOurs = errors.New("the session has left the connection")

// ending is the close that an error of a connection means.
func ending(err error) *carrier.Closed {
	var closed *carrier.Closed
	if errors.As(err, &closed) {
		return closed
	}
	var wrong *edge.Violation
	if errors.As(err, &wrong) {
		return &carrier.Closed{Code: wrong.Code, Reason: wrong.Reason}
	}
	return new(carrier.Closed) // it was cut
}

// take takes a frame. It returns when there is room for another one.
func (s *session) take(conn carrier.Conn, f carrier.Frame) error {
	g := s.gateway
	g.counts.receivedBytes.Add(int64(len(f.Data)))
	s.mu.Lock()
	if s.conn != conn {
		s.mu.Unlock()
		return errNotOurs
	}
	if !f.Kind.Data() {
		defer s.mu.Unlock()
		return s.control(f)
	}
	var room chan struct{}
	if s.state == online { // otherwise it is too late
		room = s.receive(f)
	}
	s.mu.Unlock()
	if room != nil {
		<-room
	}
	return nil
}

// receive queues a message for the actor. The reader has to wait for what it
// returns, if anything. It needs mu.
func (s *session) receive(f carrier.Frame) (room chan struct{}) {
	g := s.gateway
	g.counts.received.Add(1)
	s.in.Push(f, g.now())
	s.account()
	s.work()
	if s.state == online && s.in.Full() { // memory may have run out
		g.counts.held.Add(1)
		s.room = make(chan struct{})
	}
	return s.room
}

// resumeReading lets a reader go on that waits for room. It needs mu.
func (s *session) resumeReading() {
	if s.room != nil {
		close(s.room)
		s.room = nil
	}
}

// control takes a frame that is not data. It needs mu.
func (s *session) control(f carrier.Frame) error {
	switch f.Kind {
	case edge.KindAck:
		n, err := edge.ParseAck(f.Data)
		if err != nil {
			return err
		}
		if err := s.out.Ack(n); err != nil {
			return &carrier.Closed{Code: edge.CodeProtocol, Reason: err.Error()}
		}
		s.account()
	case edge.KindPing:
		s.send(edge.KindPong, f.Data)
	case edge.KindPong:
	case edge.KindClose:
		c, err := edge.Decode[edge.Closed](f.Data)
		if err != nil {
			return err
		}
		return &carrier.Closed{Code: c.Code, Reason: c.Reason, Client: true}
	default:
		return &carrier.Closed{Code: edge.CodeProtocol, Reason: "a client does not send frames of this kind here"}
	}
	return nil
}
