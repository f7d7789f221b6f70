package replicated_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/mallee-io/mallee/crdt"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/crdtpb"
	"github.com/mallee-io/mallee/internal/transport"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/sidecar/internal/command"
	"github.com/mallee-io/mallee/sidecar/internal/replicated"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
	"github.com/mallee-io/mallee/storage"
)

// BenchmarkChange is a command that changes a value of so many elements, on a node
// of its own, with a user function that takes no time.
func BenchmarkChange(b *testing.B) {
	var n atomic.Int64
	element := func() string { return replicated.ElementOf(text(fmt.Sprint(n.Add(1)))) }
	add := func() *crdt.Delta { return &crdt.Delta{Kind: crdt.KindORSet, Added: []string{element()}} }
	write := func() *crdt.Delta {
		r := &crdt.Delta{Kind: crdt.KindRegister, Value: element()}
		return &crdt.Delta{Kind: crdt.KindORMap, Inserted: []crdt.Entry{{Key: element(), Delta: r}}}
	}
	increment := func() *crdt.Delta { return &crdt.Delta{Kind: crdt.KindPNCounter, Change: 1} }
	for _, c := range []struct {
		name    string
		size    int
		callers int
		change  func() *crdt.Delta
	}{
		{"Set/100", 100, 1, add}, {"Set/100000", 100_000, 1, add},
		{"Registers/100", 100, 1, write}, {"Registers/100000", 100_000, 1, write},
		{"Counter", 1, 1, increment}, {"Counter/64callers", 1, 64, increment},
	} {
		b.Run(c.name, func(b *testing.B) {
			f := &changer{change: c.change}
			server, on, replica := benchServer(b, f)
			for range c.size {
				must(replica.Change(c.change()))
			}
			run := func() {
				call, err := server.Open(&command.Command{On: on, Payload: command.Payload{TypeURL: on.InputURL()}}, "it")
				must(err)
				_, err = call.Recv(context.Background())
				must(err)
				call.Leave()
			}
			run() // the first one begins the stream
			b.ReportAllocs()
			b.SetParallelism(c.callers)
			if c.callers == 1 {
				for b.Loop() {
					run()
				}
				return
			}
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					run()
				}
			})
		})
	}
}

func benchServer(b *testing.B, f *changer) (*replicated.Server, *spec.Method, crdt.Replica) {
	b.Helper()
	silent := slog.New(slog.DiscardHandler)
	n, err := node.Start(b.Context(), node.Config{Store: storage.Memory(), Placement: placement.Memory(time.Minute), Network: transport.NewMemory(), Log: silent})
	must(err)
	s := &spec.Service{Name: "bench.Entity", Kind: spec.Replicated, PersistenceID: "entities"}
	s.Methods = []*spec.Method{{Service: s, Name: "Do", Input: text("").ProtoReflect().Descriptor(), Output: text("").ProtoReflect().Descriptor()}}
	server := replicated.New(replicated.Config{Model: &spec.Model{Services: []*spec.Service{s}}, Function: f, Replicas: n, Log: silent})
	b.Cleanup(func() {
		must(server.Close(context.Background()))
		must(n.Stop(context.Background()))
	})
	replica := n.Replica(replicated.ID(s, "it"))
	must(replica.Wait(b.Context(), crdt.Local))
	return server, s.Methods[0], replica
}

// changer is a user function that answers each command with a change.
type changer struct{ change func() *crdt.Delta }

func (c *changer) Invoke(context.Context, string, any, any, ...grpc.CallOption) error {
	panic("not used")
}

func (c *changer) NewStream(ctx context.Context, _ *grpc.StreamDesc, _ string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
	return &changes{rpc: &rpc{ctx: ctx}, change: c.change, commands: make(chan int64, 1000)}, nil
}

type changes struct {
	*rpc
	change   func() *crdt.Delta
	commands chan int64
}

func (c *changes) SendMsg(m any) error {
	if command := m.(*crdtpb.CrdtStreamIn).GetCommand(); command != nil {
		c.commands <- command.Id
	}
	return nil
}

func (c *changes) RecvMsg(m any) error {
	id, ok := <-c.commands
	if !ok {
		return io.EOF
	}
	p, err := replicated.ProtoOf(c.change())
	must(err)
	proto.Merge(m.(proto.Message), answer{id: id, text: "r", update: p}.reply())
	return nil
}

func (c *changes) CloseSend() error {
	close(c.commands)
	return nil
}
