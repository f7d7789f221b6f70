package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"runtime"
	"strconv"
	"sync"
)

// bareMux is the least that a remote actor call can be: length, call, actor and
// body over one connection, into a mailbox and a goroutine of the actor, and
// back. Both ends write what has gathered at once. It has no timeouts, errors
// or names. One that yields lets other goroutines run before it writes, so that
// more gathers.
type bareMux struct {
	yields bool

	peer    *peer
	conn    *muxConn
	mu      sync.Mutex
	last    uint64
	waiting map[uint64]chan string
}

func (m *bareMux) Start(ctx context.Context, _ int) (err error) {
	if m.peer, err = startPeer(ctx, "bare-mux", strconv.FormatBool(m.yields)); err != nil {
		return err
	}
	conn, err := net.Dial("tcp", m.peer.addr)
	if err != nil {
		return err
	}
	m.waiting = make(map[uint64]chan string)
	m.conn = newMuxConn(conn, m.yields)
	go m.conn.read(func(call uint64, _ byte, body string) {
		m.mu.Lock()
		done := m.waiting[call]
		delete(m.waiting, call)
		m.mu.Unlock()
		done <- body
	})
	return nil
}

func (m *bareMux) Caller(context.Context) echo {
	return func(actor int, msg string) (string, error) {
		done := make(chan string, 1)
		m.mu.Lock()
		m.last++
		call := m.last
		m.waiting[call] = done
		m.mu.Unlock()
		m.conn.send(call, byte(actor), msg)
		select {
		case got := <-done:
			return got, nil
		case <-m.conn.ended:
			return "", errors.New("the connection has ended")
		}
	}
}

func (m *bareMux) Stop(context.Context) error { return errors.Join(m.conn.conn.Close(), m.peer.stop()) }

// serveBareMux runs one goroutine an actor, with a channel as its mailbox.
func serveBareMux(_ context.Context, args []string) (string, error) {
	yields, err := strconv.ParseBool(args[0])
	if err != nil {
		return "", err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	type ask struct {
		call uint64
		body string
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			c := newMuxConn(conn, yields)
			var actors [echoActors]chan ask
			for i := range actors {
				actors[i] = make(chan ask, 1024)
				go func() {
					for a := range actors[i] {
						c.send(a.call, byte(i), a.body)
					}
				}()
			}
			go c.read(func(call uint64, actor byte, body string) { actors[actor] <- ask{call, body} })
		}
	}()
	return listener.Addr().String(), nil
}

// muxConn is one end of the connection.
type muxConn struct {
	conn   net.Conn
	yields bool
	ended  chan struct{}

	mu   sync.Mutex
	some sync.Cond
	buf  []byte
}

const muxHeader = 4 + 8 + 1

func newMuxConn(conn net.Conn, yields bool) *muxConn {
	c := &muxConn{conn: conn, yields: yields, ended: make(chan struct{})}
	c.some.L = &c.mu
	go c.write()
	return c
}

func (c *muxConn) send(call uint64, actor byte, body string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.buf = binary.LittleEndian.AppendUint32(c.buf, uint32(len(body)))
	c.buf = binary.LittleEndian.AppendUint64(c.buf, call)
	c.buf = append(c.buf, actor)
	c.buf = append(c.buf, body...)
	c.some.Signal()
}

// write ends with the process where the other end goes first.
func (c *muxConn) write() {
	var spare []byte
	for {
		if c.yields {
			runtime.Gosched()
		}
		c.mu.Lock()
		for len(c.buf) == 0 {
			c.some.Wait()
		}
		batch := c.buf
		c.buf = spare[:0]
		c.mu.Unlock()
		if _, err := c.conn.Write(batch); err != nil {
			return
		}
		spare = batch
	}
}

func (c *muxConn) read(receive func(call uint64, actor byte, body string)) {
	defer close(c.ended)
	r := bufio.NewReaderSize(c.conn, 64<<10)
	var head [muxHeader]byte
	for {
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return
		}
		body := make([]byte, binary.LittleEndian.Uint32(head[:]))
		if _, err := io.ReadFull(r, body); err != nil {
			return
		}
		receive(binary.LittleEndian.Uint64(head[4:]), head[12], string(body))
	}
}
