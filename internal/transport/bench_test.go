package transport_test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"
	"testing"

	"github.com/mallee-io/mallee/internal/transport"
	"github.com/mallee-io/mallee/placement"
)

// caller waits for the answers of its calls, as a node does.
type caller struct {
	mu      sync.Mutex
	last    uint64
	waiting map[uint64]chan []byte
}

func newCaller() *caller { return &caller{waiting: make(map[uint64]chan []byte)} }

func (c *caller) begin() (uint64, chan []byte) {
	done := make(chan []byte, 1)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last++
	c.waiting[c.last] = done
	return c.last, done
}

func (c *caller) end(call uint64, body []byte) {
	c.mu.Lock()
	done := c.waiting[call]
	delete(c.waiting, call)
	c.mu.Unlock()
	done <- body
}

// bare is what the transport is compared with: length, call and body over one
// connection, one goroutine that writes what has gathered and one that reads.
type bare struct {
	conn  net.Conn
	mu    sync.Mutex
	some  *sync.Cond
	buf   []byte
	ended bool

	yields bool // before it writes, so that more gathers, as the transport does
}

func newBare(conn net.Conn, yields bool) *bare {
	b := &bare{conn: conn, yields: yields}
	b.some = sync.NewCond(&b.mu)
	return b
}

func (b *bare) send(call uint64, body []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.buf = binary.LittleEndian.AppendUint32(b.buf, uint32(len(body)))
	b.buf = binary.LittleEndian.AppendUint64(b.buf, call)
	b.buf = append(b.buf, body...)
	b.some.Signal()
}

func (b *bare) write() {
	var spare []byte
	for {
		if b.yields {
			runtime.Gosched()
		}
		b.mu.Lock()
		for len(b.buf) == 0 && !b.ended {
			b.some.Wait()
		}
		batch := b.buf
		b.buf = spare[:0]
		b.mu.Unlock()
		if len(batch) == 0 {
			return
		}
		if _, err := b.conn.Write(batch); err != nil {
			return
		}
		spare = batch
	}
}

func (b *bare) read(receive func(call uint64, body []byte)) {
	r := bufio.NewReaderSize(b.conn, 64<<10)
	var head [12]byte
	for {
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return
		}
		body := make([]byte, binary.LittleEndian.Uint32(head[:]))
		if _, err := io.ReadFull(r, body); err != nil {
			return
		}
		receive(binary.LittleEndian.Uint64(head[4:]), body)
	}
}

func (b *bare) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
	b.some.Signal()
	_ = b.conn.Close()
}

// Echoes of 8 bytes: how near the transport is to the least that can be done.
func BenchmarkEcho(b *testing.B) {
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprintf("bare/callers=%d", callers), func(b *testing.B) { benchBare(b, callers, false) })
		b.Run(fmt.Sprintf("bare-yielding/callers=%d", callers), func(b *testing.B) { benchBare(b, callers, true) })
		b.Run(fmt.Sprintf("tcp/callers=%d", callers), func(b *testing.B) { benchTCP(b, callers) })
	}
}

func drive(b *testing.B, callers int, echo func(body []byte) []byte) {
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	for i := range callers {
		n := b.N / callers
		if i < b.N%callers {
			n++
		}
		wg.Go(func() {
			body := []byte("12345678")
			for range n {
				if got := echo(body); string(got) != "12345678" {
					b.Errorf("%q", got)
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
}

func benchBare(b *testing.B, callers int, yields bool) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer listener.Close()
	dialed, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	accepted, err := listener.Accept()
	if err != nil {
		b.Fatal(err)
	}
	client, server, calls := newBare(dialed, yields), newBare(accepted, yields), newCaller()
	var wg sync.WaitGroup
	wg.Go(client.write)
	wg.Go(server.write)
	wg.Go(func() { client.read(calls.end) })
	wg.Go(func() { server.read(server.send) })
	drive(b, callers, func(body []byte) []byte {
		call, done := calls.begin()
		client.send(call, body)
		return <-done
	})
	client.close()
	server.close()
	wg.Wait()
}

func benchTCP(b *testing.B, callers int) {
	f := newOverTCP(transport.TCPConfig{})
	client, server, calls := joinWith(b, f, 1, 1), joinWith(b, f, 2, 1), newCaller()
	connect(b, client, server)
	server.receive = func(from placement.NodeID, m *transport.Message) {
		if err := server.send(from, &transport.Message{Kind: transport.Reply, Call: m.Call, Body: m.Body}); err != nil {
			b.Error(err)
		}
	}
	client.receive = func(_ placement.NodeID, m *transport.Message) { calls.end(m.Call, m.Body) }
	id, timeout := request(0, "").Actor, patience
	drive(b, callers, func(body []byte) []byte {
		call, done := calls.begin()
		m := &transport.Message{Kind: transport.Request, Call: call, Actor: id, Interface: "T", Method: "M", Timeout: timeout, Body: body}
		if err := client.send(2, m); err != nil {
			b.Error(err)
		}
		return <-done
	})
	client.Detach(1)
	server.Detach(2)
}
