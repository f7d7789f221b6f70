package main

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/mallee-io/mallee/examples/shoppingcart"
	"github.com/mallee-io/mallee/examples/shoppingcart/persistence"
	"github.com/mallee-io/mallee/examples/shoppingcart/stock"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/eventsourcedpb"
)

// snapshotEvery is after how many events the state is stored too, so that the
// next activation does not need all of them.
const snapshotEvery = 100

type carts struct {
	eventsourcedpb.UnimplementedEventSourcedServer
	reserve bool
}

// Handle is one activation of one cart: first what is stored of it, then its
// commands, one at a time. The end of the stream is the end of the activation.
func (s carts) Handle(stream eventsourcedpb.EventSourced_HandleServer) error {
	c := &cart{reserve: s.reserve}
	for {
		in, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		switch m := in.GetMessage().(type) {
		case *eventsourcedpb.EventSourcedStreamIn_Init:
			err = c.restore(m.Init)
		case *eventsourcedpb.EventSourcedStreamIn_Event:
			err = c.replay(m.Event)
		case *eventsourcedpb.EventSourcedStreamIn_Command:
			var reply *eventsourcedpb.EventSourcedReply
			if reply, err = c.handle(m.Command); err == nil {
				err = stream.Send(&eventsourcedpb.EventSourcedStreamOut{Message: &eventsourcedpb.EventSourcedStreamOut_Reply{Reply: reply}})
			}
		}
		if err != nil {
			return err
		}
	}
}

// cart is the state of one activation.
type cart struct {
	user     string
	reserve  bool
	items    []*persistence.LineItem
	sequence int64 // of the last event
}

func (c *cart) restore(init *eventsourcedpb.EventSourcedInit) error {
	c.user, c.sequence = init.GetEntityId(), init.GetSnapshot().GetSnapshotSequence()
	if init.GetSnapshot() == nil {
		return nil
	}
	var state persistence.Cart
	err := init.GetSnapshot().GetSnapshot().UnmarshalTo(&state)
	c.items = state.GetItems()
	return err
}

func (c *cart) replay(e *eventsourcedpb.EventSourcedEvent) error {
	event, err := e.GetPayload().UnmarshalNew()
	if err == nil {
		c.apply(event)
	}
	return err
}

// apply is all that changes a cart, when an event happens and when it is replayed.
func (c *cart) apply(event proto.Message) {
	c.sequence++
	switch e := event.(type) {
	case *persistence.ItemAdded:
		if i := c.find(e.GetItem().GetProductId()); i >= 0 {
			c.items[i].Quantity += e.GetItem().GetQuantity()
		} else {
			c.items = append(c.items, proto.CloneOf(e.GetItem()))
		}
	case *persistence.ItemRemoved:
		c.items = slices.DeleteFunc(c.items, func(item *persistence.LineItem) bool { return item.GetProductId() == e.GetProductId() })
	}
}

func (c *cart) find(product string) int {
	return slices.IndexFunc(c.items, func(item *persistence.LineItem) bool { return item.GetProductId() == product })
}

func (c *cart) handle(command *cloudstatepb.Command) (*eventsourcedpb.EventSourcedReply, error) {
	in, err := command.GetPayload().UnmarshalNew()
	if err != nil {
		return nil, err
	}
	answer := &answer{EventSourcedReply: &eventsourcedpb.EventSourcedReply{CommandId: command.GetId()}}
	switch in := in.(type) {
	case *shoppingcart.AddLineItem:
		c.add(in, answer)
	case *shoppingcart.RemoveLineItem:
		c.remove(in, answer)
	case *shoppingcart.GetShoppingCart:
		answer.reply(c.contents())
	default:
		answer.fail("there is no command %s", command.GetName())
	}
	return answer.EventSourcedReply, answer.err
}

func (c *cart) add(in *shoppingcart.AddLineItem, answer *answer) {
	if in.GetQuantity() <= 0 {
		answer.fail("cannot add %d of item %s", in.GetQuantity(), in.GetProductId())
		return
	}
	c.emit(answer, &persistence.ItemAdded{Item: &persistence.LineItem{ProductId: in.GetProductId(), Name: in.GetName(), Quantity: in.GetQuantity()}})
	c.tellStock(answer, in.GetProductId())
	answer.reply(&emptypb.Empty{})
}

func (c *cart) remove(in *shoppingcart.RemoveLineItem, answer *answer) {
	if c.find(in.GetProductId()) < 0 {
		answer.fail("item %s is not in the cart", in.GetProductId())
		return
	}
	c.emit(answer, &persistence.ItemRemoved{ProductId: in.GetProductId()})
	c.tellStock(answer, in.GetProductId())
	answer.reply(&emptypb.Empty{})
}

func (c *cart) contents() *shoppingcart.Cart {
	all := &shoppingcart.Cart{}
	for _, item := range c.items {
		all.Items = append(all.Items, &shoppingcart.LineItem{ProductId: item.GetProductId(), Name: item.GetName(), Quantity: item.GetQuantity()})
	}
	return all
}

// emit lets an event happen. The sidecar stores it before the client gets the
// reply; if it cannot, this activation ends, and what was applied with it.
func (c *cart) emit(answer *answer, event proto.Message) {
	c.apply(event)
	answer.Events = append(answer.Events, answer.any(event))
	if c.sequence%snapshotEvery == 0 {
		answer.Snapshot = answer.any(&persistence.Cart{Items: c.items})
	}
}

// tellStock is a side effect on a service that may be in any language: here it is
// a Go actor.
func (c *cart) tellStock(answer *answer, product string) {
	if !c.reserve {
		return
	}
	reservation := &stock.Reservation{ProductId: product, UserId: c.user}
	if i := c.find(product); i >= 0 {
		reservation.Quantity = c.items[i].GetQuantity()
	}
	answer.SideEffects = append(answer.SideEffects, &cloudstatepb.SideEffect{
		ServiceName: stock.Stock_ServiceDesc.ServiceName, CommandName: "Reserve",
		Payload: answer.any(reservation), Synchronous: true,
	})
}

// answer is what becomes of a command.
type answer struct {
	*eventsourcedpb.EventSourcedReply
	err error // a message could not be encoded
}

func (a *answer) reply(message proto.Message) {
	a.ClientAction = &cloudstatepb.ClientAction{Action: &cloudstatepb.ClientAction_Reply{Reply: &cloudstatepb.Reply{Payload: a.any(message)}}}
}

func (a *answer) fail(format string, args ...any) {
	a.ClientAction = &cloudstatepb.ClientAction{Action: &cloudstatepb.ClientAction_Failure{
		Failure: &cloudstatepb.Failure{CommandId: a.GetCommandId(), Description: fmt.Sprintf(format, args...)},
	}}
}

func (a *answer) any(message proto.Message) *anypb.Any {
	packed, err := anypb.New(message)
	a.err = errors.Join(a.err, err)
	return packed
}
