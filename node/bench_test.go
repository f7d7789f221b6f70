package node_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/node"
)

type echoCall struct {
	args    struct{ Msg string }
	results struct{ Result string }
}

type echoer interface {
	Echo(ctx context.Context, msg string) (string, error)
}
type echo struct{}

func (*echo) Echo(_ context.Context, msg string) (string, error) { return msg, nil }

func (*echoCall) Interface() string       { return "Echo" }
func (*echoCall) Method() string          { return "Echo" }
func (*echoCall) Flags() mallee.CallFlags { return 0 }
func (c *echoCall) Run(ctx context.Context, target any) (err error) {
	c.results.Result, err = target.(echoer).Echo(ctx, c.args.Msg)
	return err
}
func (c *echoCall) Args() any                           { return nil }
func (c *echoCall) Results() any                        { return nil }
func (c *echoCall) CopyArgs() error                     { return nil }
func (c *echoCall) CopyResults() error                  { return nil }
func (c *echoCall) AppendArgs(b []byte) ([]byte, error) { return append(b, c.args.Msg...), nil }
func (c *echoCall) DecodeArgs(b []byte) error           { c.args.Msg = string(b); return nil }
func (c *echoCall) AppendResults(b []byte) ([]byte, error) {
	return append(b, c.results.Result...), nil
}
func (c *echoCall) DecodeResults(b []byte) error { c.results.Result = string(b); return nil }

func echoNode(b testing.TB) *node.Node {
	typ := mallee.NewType(mallee.Interface{Name: "Echo"}, func(*mallee.Self) any { return &echo{} })
	n, err := node.Start(context.Background(), node.Config{Types: []mallee.Type{typ}})
	if err != nil {
		b.Fatal(err)
	}
	return n
}

func BenchmarkLocalCall(b *testing.B) {
	for _, callers := range []int{1, 16, 64} {
		b.Run(fmt.Sprint("callers=", callers), func(b *testing.B) {
			n := echoNode(b)
			b.ReportAllocs()
			var wg sync.WaitGroup
			for c := range callers {
				wg.Go(func() {
					id := mallee.ID{Type: "Echo", Key: fmt.Sprint(c % 16)}
					for range b.N / callers {
						call := &echoCall{}
						call.args.Msg = "12345678"
						if err := n.Invoke(context.Background(), id, call); err != nil || call.results.Result != "12345678" {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
			_ = n.Stop(context.Background())
		})
	}
}

func BenchmarkActivate(b *testing.B) {
	n := echoNode(b)
	const callers = 64
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := range b.N / callers {
				call := &echoCall{}
				if err := n.Invoke(context.Background(), mallee.ID{Type: "Echo", Key: fmt.Sprintf("%d.%d", c, i)}, call); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(b.N), "heap-B/actor")
	_ = n.Stop(context.Background())
}
