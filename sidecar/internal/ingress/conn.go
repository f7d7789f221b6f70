package ingress

import (
	"bufio"
	"errors"
	"net"
	"os"
	"runtime"
	"sync"
	"time"
)

const (
	// connAhead is how much is read at once of a connection, in bytes.
	connAhead = 4 << 10
	// maxGathered is how much waits to be written before Write waits too, and
	// keepGathered the largest buffer that an idle connection keeps, in bytes.
	maxGathered  = 64 << 10
	keepGathered = 16 << 10
	// lastWords is how long what waits may take to be written after Close.
	lastWords = time.Second
)

// Listen makes of a listener that of a server: fewer reads and writes of its
// connections reach the system. HTTP/2 of net/http reads the head and the rest of
// each frame for itself, and writes the headers, the message and the trailers of
// a short answer one after the other; each of them would wake the client.
func Listen(l net.Listener) net.Listener { return listener{l} }

type listener struct{ net.Listener }

func (l listener) Accept() (net.Conn, error) {
	accepted, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: accepted, in: bufio.NewReaderSize(accepted, connAhead)}
	c.changed.L = &c.mu
	go c.flush()
	return c, nil
}

// conn is a connection that reads ahead, and writes what has gathered. A Write
// says of earlier ones that they failed.
type conn struct {
	net.Conn
	in *bufio.Reader

	mu      sync.Mutex
	changed sync.Cond
	buf     []byte // waits
	spare   []byte // for the next batch
	writing bool   // a batch
	closing bool
	failed  error // of a batch
}

func (c *conn) Read(p []byte) (int, error) { return c.in.Read(p) }

func (c *conn) Write(p []byte) (n int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for n < len(p) {
		for len(c.buf) == maxGathered && c.err() == nil {
			c.changed.Wait()
		}
		if err := c.err(); err != nil {
			return n, err
		}
		if len(c.buf) == 0 {
			c.changed.Broadcast()
		}
		part := p[n:min(len(p), n+maxGathered-len(c.buf))]
		c.buf = append(c.buf, part...)
		n += len(part)
	}
	return n, nil
}

// err is why nothing is taken any more. It needs mu.
func (c *conn) err() error {
	if c.closing {
		return net.ErrClosed
	}
	return c.failed
}

// SetWriteDeadline has nothing to do: Write waits only for a client that takes
// nothing, and not for long.
func (*conn) SetWriteDeadline(time.Time) error { return nil }

func (c *conn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// CloseWrite ends the sending side behind what waits.
func (c *conn) CloseWrite() error {
	c.mu.Lock()
	for (c.writing || len(c.buf) > 0) && c.err() == nil {
		c.changed.Wait()
	}
	c.mu.Unlock()
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Close returns at once; what waits is still written, soon.
func (c *conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closing = true
	c.changed.Broadcast()
	return c.Conn.SetWriteDeadline(time.Now().Add(lastWords))
}

// flush writes what gathers until the connection is closed or a write fails, and
// then closes it.
func (c *conn) flush() {
	for batch := c.take(); len(batch) > 0; batch = c.take() {
		c.wrote(batch, c.writeAll(batch))
	}
	_ = c.Conn.Close()
}

// take waits for something to write; an empty batch says that nothing comes.
func (c *conn) take() []byte {
	runtime.Gosched() // more gathers
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.buf) == 0 && c.err() == nil {
		c.changed.Wait()
	}
	if c.failed != nil {
		return nil
	}
	batch := c.buf
	c.buf, c.spare = c.spare, nil
	c.writing = true
	return batch
}

func (c *conn) wrote(batch []byte, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writing, c.failed = false, err
	if cap(batch) <= keepGathered {
		c.spare = batch[:0]
	}
	c.changed.Broadcast()
}

// writeAll fails when the client takes no byte for the time of a stall.
func (c *conn) writeAll(batch []byte) error {
	for len(batch) > 0 {
		c.allow(writeStall)
		n, err := c.Conn.Write(batch)
		batch = batch[n:]
		if err != nil && (n == 0 || !errors.Is(err, os.ErrDeadlineExceeded)) {
			return err
		}
	}
	return nil
}

// allow bounds the next write, unless Close has.
func (c *conn) allow(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closing {
		_ = c.Conn.SetWriteDeadline(time.Now().Add(d))
	}
}
