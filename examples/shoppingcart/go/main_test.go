package main

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/mallee-io/mallee/examples/shoppingcart"
	"github.com/mallee-io/mallee/examples/shoppingcart/persistence"
	"github.com/mallee-io/mallee/examples/shoppingcart/stock"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/eventsourcedpb"
)

// function starts a user function, which runs until the test ends, and returns
// its address.
type function func(t *testing.T, reserve bool) string

// each runs a test with the cart in every language.
func each(t *testing.T, test func(t *testing.T, start function)) {
	t.Helper()
	for name, start := range map[string]function{"go": startGo, "js": startNode} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, start)
		})
	}
}

func startGo(t *testing.T, reserve bool) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := newServer(reserve)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String()
}

func startNode(t *testing.T, reserve bool) string {
	t.Helper()
	if _, err := os.Stat("../js/node_modules"); err != nil {
		t.Skip("run npm install in examples/shoppingcart/js first")
	}
	args := []string{"index.js"}
	if reserve {
		args = append(args, "-stock")
	}
	node := exec.CommandContext(t.Context(), "node", args...)
	node.Dir, node.Env, node.Stderr = "../js", append(os.Environ(), "HOST=127.0.0.1", "PORT=0"), os.Stderr
	stdout, err := node.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := node.Start(); err != nil {
		t.Skip("needs Node: ", err)
	}
	t.Cleanup(func() { _ = node.Wait() }) // the end of the test's context has killed it
	line, err := bufio.NewReader(stdout).ReadString('\n')
	address, ok := strings.CutPrefix(strings.TrimSpace(line), "shopping carts at ")
	if !ok {
		t.Fatalf("node says %q, %v", line, err)
	}
	return address
}

func dial(t *testing.T, address string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestDiscovery(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, start function) {
		spec, err := cloudstatepb.NewEntityDiscoveryClient(dial(t, start(t, false))).Discover(t.Context(), &cloudstatepb.ProxyInfo{ProtocolMinorVersion: 2})
		if err != nil {
			t.Fatal(err)
		}
		var set descriptorpb.FileDescriptorSet
		if err := proto.Unmarshal(spec.GetProto(), &set); err != nil {
			t.Fatal(err)
		}
		files, err := protodesc.NewFiles(&set)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{spec.GetEntities()[0].GetServiceName(), "com.example.stock.Stock"} {
			if _, err := files.FindDescriptorByName(protoreflect.FullName(name)); err != nil {
				t.Error(err)
			}
		}
	})
}

// activation is one stream, as a sidecar uses it.
type activation struct {
	t      *testing.T
	stream eventsourcedpb.EventSourced_HandleClient
	id     int64
}

func activate(t *testing.T, conn *grpc.ClientConn, init *eventsourcedpb.EventSourcedInit, events ...*anypb.Any) *activation {
	t.Helper()
	stream, err := eventsourcedpb.NewEventSourcedClient(conn).Handle(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	a := &activation{t: t, stream: stream}
	init.EntityId = "ann"
	a.send(&eventsourcedpb.EventSourcedStreamIn{Message: &eventsourcedpb.EventSourcedStreamIn_Init{Init: init}})
	for i, event := range events {
		a.send(&eventsourcedpb.EventSourcedStreamIn{Message: &eventsourcedpb.EventSourcedStreamIn_Event{
			Event: &eventsourcedpb.EventSourcedEvent{Sequence: init.GetSnapshot().GetSnapshotSequence() + int64(i) + 1, Payload: event},
		}})
	}
	return a
}

func (a *activation) send(in *eventsourcedpb.EventSourcedStreamIn) {
	a.t.Helper()
	if err := a.stream.Send(in); err != nil {
		a.t.Fatal(err)
	}
}

func (a *activation) do(in proto.Message) *eventsourcedpb.EventSourcedReply {
	a.t.Helper()
	a.id++
	a.send(&eventsourcedpb.EventSourcedStreamIn{Message: &eventsourcedpb.EventSourcedStreamIn_Command{
		Command: &cloudstatepb.Command{EntityId: "ann", Id: a.id, Payload: pack(a.t, in)},
	}})
	out, err := a.stream.Recv()
	if err != nil {
		a.t.Fatal(err)
	}
	if out.GetReply().GetCommandId() != a.id {
		a.t.Fatalf("command %d was answered by %v", a.id, out)
	}
	return out.GetReply()
}

func (a *activation) quantity(product string) (n int32) {
	a.t.Helper()
	var cart shoppingcart.Cart
	if err := a.do(&shoppingcart.GetShoppingCart{}).GetClientAction().GetReply().GetPayload().UnmarshalTo(&cart); err != nil {
		a.t.Fatal(err)
	}
	for _, item := range cart.GetItems() {
		if item.GetProductId() == product {
			n += item.GetQuantity()
		}
	}
	return n
}

func pack(t *testing.T, message proto.Message) *anypb.Any {
	t.Helper()
	packed, err := anypb.New(message)
	if err != nil {
		t.Fatal(err)
	}
	return packed
}

func TestCart(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, start function) {
		conn := dial(t, start(t, false))
		a := activate(t, conn, &eventsourcedpb.EventSourcedInit{})
		events := a.do(&shoppingcart.AddLineItem{ProductId: "tea", Quantity: 2}).GetEvents()
		events = append(events, a.do(&shoppingcart.AddLineItem{ProductId: "tea", Quantity: 3}).GetEvents()...)
		for want, bad := range map[string]proto.Message{
			"cannot add -1 of item tea": &shoppingcart.AddLineItem{ProductId: "tea", Quantity: -1},
			"item ink is not in":        &shoppingcart.RemoveLineItem{ProductId: "ink"},
			"there is no command":       &shoppingcart.Cart{},
		} {
			reply := a.do(bad)
			if got := reply.GetClientAction().GetFailure().GetDescription(); !strings.Contains(got, want) || len(reply.GetEvents()) > 0 {
				t.Errorf("got %v, want %s", reply, want)
			}
		}
		if n := a.quantity("tea"); n != 5 {
			t.Errorf("%d of it", n)
		}
		again := activate(t, conn, &eventsourcedpb.EventSourcedInit{}, events...)
		if n := again.quantity("tea"); n != 5 {
			t.Errorf("%d of it after a replay", n)
		}
		if removed := again.do(&shoppingcart.RemoveLineItem{ProductId: "tea"}).GetEvents(); len(removed) != 1 || again.quantity("tea") != 0 {
			t.Errorf("removed by %v", removed)
		}
		if err := again.stream.CloseSend(); err != nil {
			t.Fatal(err)
		}
		if _, err := again.stream.Recv(); !errors.Is(err, io.EOF) {
			t.Errorf("the stream ends with %v", err)
		}
	})
}

func TestSnapshot(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, start function) {
		conn := dial(t, start(t, false))
		snapshot := &eventsourcedpb.EventSourcedSnapshot{
			SnapshotSequence: snapshotEvery - 2,
			Snapshot:         pack(t, &persistence.Cart{Items: []*persistence.LineItem{{ProductId: "tea", Quantity: 2}}}),
		}
		a := activate(t, conn, &eventsourcedpb.EventSourcedInit{Snapshot: snapshot}, pack(t, &persistence.ItemAdded{Item: &persistence.LineItem{ProductId: "tea", Quantity: 1}}))
		reply := a.do(&shoppingcart.AddLineItem{ProductId: "tea", Quantity: 1})
		var state persistence.Cart
		if err := reply.GetSnapshot().UnmarshalTo(&state); err != nil || state.GetItems()[0].GetQuantity() != 4 {
			t.Errorf("%v, %v", reply, err)
		}
		if reply := a.do(&shoppingcart.AddLineItem{ProductId: "tea", Quantity: 1}); reply.GetSnapshot() != nil {
			t.Errorf("one more: %v", reply)
		}
	})
}

func TestStockIsTold(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, start function) {
		a := activate(t, dial(t, start(t, true)), &eventsourcedpb.EventSourcedInit{})
		for _, c := range []struct {
			command proto.Message
			want    int32
		}{
			{&shoppingcart.AddLineItem{ProductId: "tea", Quantity: 2}, 2},
			{&shoppingcart.AddLineItem{ProductId: "tea", Quantity: 2}, 4},
			{&shoppingcart.RemoveLineItem{ProductId: "tea"}, 0},
		} {
			effects := a.do(c.command).GetSideEffects()
			var told stock.Reservation
			if len(effects) != 1 || effects[0].GetPayload().UnmarshalTo(&told) != nil || told.GetQuantity() != c.want || told.GetUserId() != "ann" {
				t.Errorf("%v: %v", c.command, effects)
			}
		}
	})
}
