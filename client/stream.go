package client

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/url"
	"sync"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/mallee-io/mallee/wire/edge"
)

// pipe is what TCP, TLS and a stream of QUIC have in common.
type pipe interface {
	io.ReadWriteCloser
	SetWriteDeadline(time.Time) error
}

// stream carries frames with their length in front.
type stream struct {
	pipe    pipe
	in      *bufio.Reader
	largest int

	mu  sync.Mutex // of writes
	out []byte
}

func newStream(p pipe, largest int) *stream {
	return &stream{pipe: p, in: bufio.NewReader(p), largest: largest}
}

func dialTCP(ctx context.Context, u *url.URL, c *Config) (carrier, error) {
	var conn net.Conn
	var err error
	if u.Scheme == "tls" {
		conn, err = (&tls.Dialer{Config: c.TLS}).DialContext(ctx, "tcp", u.Host)
	} else {
		conn, err = new(net.Dialer).DialContext(ctx, "tcp", u.Host)
	}
	if err != nil {
		return nil, err
	}
	return newStream(conn, c.Largest), nil
}

func dialQUIC(ctx context.Context, u *url.URL, c *Config) (carrier, error) {
	config := c.TLS.Clone()
	if config == nil {
		config = new(tls.Config)
	}
	config.NextProtos = []string{edge.Subprotocol}
	conn, err := quic.DialAddr(ctx, u.Host, config, &quic.Config{KeepAlivePeriod: 10 * time.Second})
	if err != nil {
		return nil, err
	}
	s, err := conn.OpenStreamSync(ctx)
	if err != nil {
		_ = conn.CloseWithError(0, "") // the first error tells more
		return nil, err
	}
	return newStream(quicStream{s, conn}, c.Largest), nil
}

// quicStream is the only stream of its connection.
type quicStream struct {
	*quic.Stream
	conn *quic.Conn
}

func (q quicStream) Close() error { return q.conn.CloseWithError(0, "") }

func (s *stream) read() (edge.Data, error) {
	var header [edge.HeaderSize]byte
	if _, err := io.ReadFull(s.in, header[:]); err != nil {
		return edge.Data{}, err
	}
	kind, size, err := edge.ParseHeader(header, s.largest)
	if err != nil {
		return edge.Data{}, err
	}
	payload := make([]byte, size)
	if _, err := io.ReadFull(s.in, payload); err != nil {
		return edge.Data{}, err
	}
	return edge.Data{Kind: kind, Payload: payload}, nil
}

func (s *stream) write(frames []edge.Data) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out = s.out[:0]
	for _, f := range frames {
		s.out = edge.AppendFrame(s.out, f.Kind, f.Payload)
	}
	if err := s.pipe.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	_, err := s.pipe.Write(s.out)
	return err
}

func (s *stream) goodbye(code edge.Code, reason string) {
	closed, err := edge.Encode(edge.Closed{Code: code, Reason: reason})
	if err == nil {
		_ = s.write([]edge.Data{{Kind: edge.KindClose, Payload: closed}}) // it may be gone already
	}
}

func (s *stream) close() { _ = s.pipe.Close() } // it may be gone already
