package clustertest_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/mallee-io/mallee/examples/shoppingcart/stock"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/actionpb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/eventsourcedpb"
	"github.com/mallee-io/mallee/internal/gen/tckpb/tckaction"
	"github.com/mallee-io/mallee/internal/gen/tckpb/tckevents"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/sidecar/sidecartest"
)

// outgoing is a user function whose forwards and effects have targets of all
// kinds, and keeps what has arrived there. An id that begins with "action" or
// "stock" is one of an action or of an actor in Go; the others are entities'.
type outgoing struct {
	mu       sync.Mutex
	arrivals map[string][]arrival // by id
	changed  chan struct{}        // closed at the next change
}

type arrival struct {
	function int
	number   string // its mallee-id; entities are not told
}

func newOutgoing() *outgoing {
	return &outgoing{arrivals: make(map[string][]arrival), changed: make(chan struct{})}
}

// of makes the configuration of one of its processes.
func (o *outgoing) of(function int) sidecartest.Config {
	return sidecartest.Config{Spec: withStock, Misbehave: func(_ context.Context, in proto.Message, out []proto.Message) ([]proto.Message, error) {
		switch m := in.(type) {
		case *eventsourcedpb.EventSourcedStreamIn:
			if id := m.GetCommand().GetEntityId(); id != "" {
				o.arrive(id, arrival{function: function})
			}
			for _, message := range out {
				retarget(message.(*eventsourcedpb.EventSourcedStreamOut).GetReply())
			}
		case *actionpb.ActionCommand:
			var request tckaction.OtherRequest
			if err := m.GetPayload().UnmarshalTo(&request); err != nil {
				return nil, err
			}
			i := slices.IndexFunc(m.GetMetadata().GetEntries(), func(e *cloudstatepb.MetadataEntry) bool { return e.GetKey() == "mallee-id" })
			if i < 0 {
				return nil, fmt.Errorf("an effect without a number: %v", m)
			}
			o.arrive(request.GetId(), arrival{function, m.GetMetadata().GetEntries()[i].GetStringValue()})
		}
		return out, nil
	}}
}

// withStock declares that there is the stock, which others serve.
func withStock(spec *cloudstatepb.EntitySpec) {
	files := sidecartest.DecodeFiles(spec.GetProto())
	spec.Proto = sidecartest.EncodeFiles(append(files, protodesc.ToFileDescriptorProto(stock.File_com_example_stock_stock_proto)))
}

// retarget sends on what the model sends to entities.
func retarget(r *eventsourcedpb.EventSourcedReply) {
	for _, e := range r.GetSideEffects() {
		e.ServiceName, e.CommandName, e.Payload = target(e.GetPayload(), e.ServiceName, e.CommandName)
	}
	if f := r.GetClientAction().GetForward(); f != nil {
		f.ServiceName, f.CommandName, f.Payload = target(f.GetPayload(), f.ServiceName, f.CommandName)
	}
}

func target(payload *anypb.Any, service, command string) (string, string, *anypb.Any) {
	var m proto.Message
	var request tckevents.Request
	err := payload.UnmarshalTo(&request)
	switch id := request.GetId(); {
	case err != nil:
	case strings.HasPrefix(id, "action"):
		service, command, m = "cloudstate.tck.model.action.ActionTwo", "Call", &tckaction.OtherRequest{Id: id}
	case strings.HasPrefix(id, "stock"):
		service, command, m = stock.Stock_ServiceDesc.ServiceName, "Reserve", &stock.Reservation{ProductId: id, Quantity: 1, UserId: "it"}
	}
	if m != nil {
		payload = new(anypb.Any)
		err = payload.MarshalFrom(m)
	}
	if err != nil {
		panic(err) // never: the messages are ours
	}
	return service, command, payload
}

func (o *outgoing) arrive(id string, a arrival) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.arrivals[id] = append(o.arrivals[id], a)
	close(o.changed)
	o.changed = make(chan struct{})
}

// at gives the arrivals at a target once there are n of them.
func (o *outgoing) at(t testing.TB, id string, n int) []arrival {
	t.Helper()
	for ctx := within(t); ; {
		o.mu.Lock()
		all, changed := slices.Clone(o.arrivals[id]), o.changed
		o.mu.Unlock()
		if len(all) >= n {
			return all
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("%d of %d have arrived at %s", len(all), n, id)
		}
	}
}

// sends asks for effects on, and perhaps a forward to, the targets, after an
// event.
func sends(synchronous bool, forward string, effects ...string) (all []*tckevents.RequestAction) {
	all = append(all, &tckevents.RequestAction{Action: &tckevents.RequestAction_Emit{Emit: &tckevents.Emit{Value: "x"}}})
	for _, id := range effects {
		all = append(all, &tckevents.RequestAction{Action: &tckevents.RequestAction_Effect{Effect: &tckevents.Effect{Id: id, Synchronous: synchronous}}})
	}
	if forward != "" {
		all = append(all, &tckevents.RequestAction{Action: &tckevents.RequestAction_Forward{Forward: &tckevents.Forward{Id: forward}}})
	}
	return all
}

// Forwards and effects reach entities, actions and Go actors on all nodes, once.
func TestEffectsReachAll(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	c.keepInEtcd()
	o := newOutgoing()
	var sides []*side
	for i := range 3 {
		sides = append(sides, c.sidecar(fmt.Sprint("side", i), o.of(i), nil))
	}
	native := c.node("native", node.Config{Types: stock.Types()})
	crossed := false
	for i := range 12 {
		client := tckevents.NewEventSourcedTckModelClient(sides[i%3].conn)
		for _, synchronous := range []bool{true, false} {
			id := fmt.Sprint(i, synchronous)
			targets := []string{"to" + id, "action" + id, "stock" + id}
			response, err := client.Process(within(t), &tckevents.Request{Id: "from" + id, Actions: sends(synchronous, "forward"+id, targets...)})
			if err != nil || response.GetMessage() != "" {
				t.Fatalf("it answers %v, %v", response, err)
			}
			patient := 1
			if synchronous {
				patient = 0 // they have arrived before the answer
			}
			from := o.at(t, "from"+id, 0)
			for _, to := range append(targets[:2:2], "forward"+id) {
				all := o.at(t, to, patient)
				if len(all) != 1 {
					t.Errorf("%d have arrived at %s", len(all), to)
					continue
				}
				crossed = crossed || all[0].function != from[0].function
			}
			reserved := int32(0)
			again := time.NewTicker(10 * time.Millisecond)
			for ctx := within(t); reserved == 0 && ctx.Err() == nil; <-again.C {
				r, err := stock.StockOf(native, targets[2]).Count(ctx, &stock.Product{ProductId: targets[2]})
				if reserved = r.GetQuantity(); err != nil || synchronous && reserved == 0 {
					t.Fatalf("%d of %s are reserved: %v", reserved, targets[2], err)
				}
			}
			again.Stop()
		}
	}
	if !crossed {
		t.Error("all has stayed where it began")
	}
	if s := native.Stats(); s.Served == 0 {
		t.Error("the node of the stock was not asked")
	}
}

// An effect that is recorded when its sidecar dies is carried out by the next
// one, under the same number.
func TestEffectsSurvive(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1, soon)
	c.keepInEtcd()
	o := newOutgoing()
	function, ended := o.of(0), make(chan struct{})
	keep := function.Misbehave
	function.Misbehave = func(ctx context.Context, in proto.Message, out []proto.Message) ([]proto.Message, error) {
		out, err := keep(ctx, in, out)
		if _, ok := in.(*actionpb.ActionCommand); ok {
			<-ended // the action never answers
		}
		return out, err
	}
	first := c.sidecar("side0", function, nil)
	t.Cleanup(func() { close(ended) })
	if _, err := tckevents.NewEventSourcedTckModelClient(first.conn).Process(within(t), &tckevents.Request{Id: "it", Actions: sends(false, "", "action")}); err != nil {
		t.Fatal(err)
	}
	before := o.at(t, "action", 1)
	first.Node().Abort()
	second := c.sidecar("side1", o.of(1), nil)
	(&cell{kind: eventsKind, key: "it"}).await(t, second.conn)
	after := o.at(t, "action", len(before)+1)
	for _, a := range after {
		if a.number == "" || a.number != before[0].number {
			t.Errorf("the numbers are %v", after)
		}
	}
	if last := after[len(after)-1]; last.function != 1 {
		t.Errorf("it was carried out by %v", after)
	}
	if text, err := (&cell{kind: eventsKind, key: "it"}).read(within(t), second.conn); err != nil || text != "x" {
		t.Errorf("its state is %q, %v", text, err)
	}
}
