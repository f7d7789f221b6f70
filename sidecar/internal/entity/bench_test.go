package entity_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/eventsourcedpb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/valueentitypb"
	"github.com/mallee-io/mallee/internal/transport"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/sidecar/internal/command"
	"github.com/mallee-io/mallee/sidecar/internal/entity"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
	"github.com/mallee-io/mallee/storage"
)

const asFunction = "MALLEE_TEST_FUNCTION"

// TestMain lets the test program be a user function in a process of its own, so
// that a benchmark measures the entities alone.
func TestMain(m *testing.M) {
	if os.Getenv(asFunction) == "" {
		os.Exit(m.Run())
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	f := &function{server: grpc.NewServer(), forgets: true}
	eventsourcedpb.RegisterEventSourcedServer(f.server, eventSourcedServer{f: f})
	valueentitypb.RegisterValueEntityServer(f.server, valueServer{f: f})
	_, _ = os.Stdout.WriteString(listener.Addr().String() + "\n")
	go func() { // it ends with the benchmark
		_, _ = os.Stdin.Read(make([]byte, 1))
		os.Exit(0)
	}()
	_ = f.server.Serve(listener)
}

// dialFunction starts a user function in a process of its own.
func dialFunction(b *testing.B) *grpc.ClientConn {
	b.Helper()
	p := exec.Command(os.Args[0])
	p.Env = append(os.Environ(), asFunction+"=1")
	in, err := p.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := p.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := p.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = in.Close(); _ = p.Wait() })
	addr := make([]byte, 64)
	n, err := out.Read(addr)
	if err != nil {
		b.Fatal(err)
	}
	conn, err := grpc.NewClient(string(addr[:n-1]), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	return conn
}

func startBench(b *testing.B) (*node.Node, func(id string, s script)) {
	b.Helper()
	services := service(cell, spec.Value)
	services.IdleTimeout = time.Hour
	typ := entity.Type(services, entity.Config{Function: dialFunction(b), Router: &router{}, Log: silent})
	n, err := node.Start(b.Context(), node.Config{Types: []mallee.Type{typ}, Store: storage.Memory(), Placement: placement.Memory(time.Minute), Network: transport.NewMemory(), Log: silent})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = n.Stop(context.Background()) })
	return n, func(id string, s script) {
		c := &command.Command{On: services.Methods[0], Payload: command.Payload{TypeURL: "x", Value: []byte(s.String())}}
		if err := n.Invoke(b.Context(), mallee.ID{Type: cell, Key: id}, c); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkActiveEntity reports what an idle active entity costs, its stream
// included: B/entity of heap, and B/stack of the goroutine that gRPC keeps for a
// stream.
func BenchmarkActiveEntity(b *testing.B) {
	const entities = 10_000
	for b.Loop() {
		_, run := startBench(b)
		run("first", read)
		heap, stack := memory()
		for i := range entities {
			run(strconv.Itoa(i), read)
		}
		heapNow, stackNow := memory()
		b.ReportMetric(float64(heapNow-heap)/entities, "B/entity")
		b.ReportMetric(float64(stackNow-stack)/entities, "B/stack")
	}
}

func memory() (heap, stack uint64) {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc, m.StackInuse
}

// BenchmarkCommand is one command after the other to one entity, without a
// write.
func BenchmarkCommand(b *testing.B) {
	_, run := startBench(b)
	b.ReportAllocs()
	for b.Loop() {
		run("1", read)
	}
}
