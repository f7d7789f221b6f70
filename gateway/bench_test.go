package gateway_test

import (
	"io"
	"log/slog"
	"net/netip"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/gateway"
	"github.com/mallee-io/mallee/gateway/internal/carrier"
	"github.com/mallee-io/mallee/gateway/login"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/wire/edge"
)

// pipe is a connection that costs next to nothing.
type pipe struct {
	up    chan carrier.Frame
	down  chan struct{} // gets something for each message
	quiet *atomic.Int64 // counts messages instead
}

func (p *pipe) Read() (carrier.Frame, error) {
	f, ok := <-p.up
	if !ok {
		return f, io.EOF
	}
	return f, nil
}

func (p *pipe) Write(frames []*carrier.Outgoing) error {
	if p.quiet != nil {
		p.quiet.Add(int64(len(frames)))
		return nil
	}
	for range frames {
		p.down <- struct{}{}
	}
	return nil
}

func (p *pipe) Close(edge.Code, string) {}
func (p *pipe) Heard() uint64           { return 0 }
func (p *pipe) Ping() error             { return nil }
func (p *pipe) Remote() netip.AddrPort  { return netip.AddrPort{} }
func (p *pipe) Framed() bool            { return false }
func (p *pipe) Name() string            { return "pipe" }

func benchGateway(b *testing.B) *gateway.Gateway {
	b.Helper()
	quiet := slog.New(slog.DiscardHandler)
	n, err := node.Start(b.Context(), node.Config{Types: []mallee.Type{new(diary).typ()}, Log: quiet})
	if err != nil {
		b.Fatal(err)
	}
	g, err := gateway.New(gateway.Config{Node: n, Login: login.Func(admit), Log: quiet})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := n.Stop(b.Context()); err != nil {
			b.Log(err)
		}
	})
	return g
}

// Client, session, actor, session, client: one at a time.
func BenchmarkEcho(b *testing.B) {
	g := benchGateway(b)
	var clients atomic.Int64
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		p := &pipe{up: make(chan carrier.Frame, 1), down: make(chan struct{}, 1)}
		p.up <- carrier.Frame{Kind: edge.KindText, Data: []byte(loginOf("ann", "quiet"+strconv.FormatInt(clients.Add(1), 10)))}
		g.Accept(p)
		data := []byte("hello")
		for pb.Next() {
			p.up <- carrier.Frame{Kind: edge.KindText, Data: data}
			<-p.down
		}
		close(p.up)
	})
}

// One message to 10,000 sessions.
func BenchmarkPush(b *testing.B) {
	g := benchGateway(b)
	const many = 10_000
	written := new(atomic.Int64)
	var first *pipe
	for range many {
		p := &pipe{up: make(chan carrier.Frame, 1), quiet: written}
		p.up <- carrier.Frame{Kind: edge.KindText, Data: []byte(loginOf("ann", "all"))}
		g.Accept(p)
		first = p
	}
	b.ReportAllocs()
	for b.Loop() {
		want := written.Load() + many
		first.up <- carrier.Frame{Kind: edge.KindText, Data: []byte("hello")}
		for written.Load() < want {
			runtime.Gosched()
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/many, "ns/session")
}
