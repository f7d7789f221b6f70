package command_test

import (
	"context"
	"errors"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/examples/shoppingcart"
	"github.com/mallee-io/mallee/examples/shoppingcart/stock"
	"github.com/mallee-io/mallee/malleetest"
	"github.com/mallee-io/mallee/sidecar/internal/command"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
)

// declared is a service as a user function would have declared it.
func declared(d protoreflect.ServiceDescriptor) *spec.Service {
	s := &spec.Service{Name: string(d.FullName()), Descriptor: d}
	for i := range d.Methods().Len() {
		m := d.Methods().Get(i)
		s.Methods = append(s.Methods, &spec.Method{Service: s, Name: string(m.Name()), Input: m.Input(), Output: m.Output()})
	}
	return s
}

func encoded(t *testing.T, message proto.Message) command.Payload {
	t.Helper()
	value, err := proto.Marshal(message)
	if err != nil {
		t.Fatal(err)
	}
	return command.Payload{Value: value}
}

// What a user function forwards to a Go actor of a generated interface arrives,
// and so does the answer.
func TestCommandToAGoActor(t *testing.T) {
	t.Parallel()
	service := declared(stock.File_com_example_stock_stock_proto.Services().Get(0))
	c := malleetest.Encoded.Start(t, stock.Types()...)
	tea := mallee.ID{Type: service.Name, Key: "tea"}
	reserve := &command.Command{
		On: service.Method("Reserve"), Payload: encoded(t, &stock.Reservation{ProductId: "tea", Quantity: 3, UserId: "ann"}),
		Metadata: command.Metadata{{Key: "mallee-id", Text: "1"}}, Trail: []command.Step{{Service: "s", Method: "m", Effect: true}},
	}
	if err := c.Node(0).Invoke(t.Context(), tea, reserve); err != nil || reserve.Reply == nil {
		t.Fatalf("%+v, %v", reserve.Reply, err)
	}
	count := &command.Command{On: service.Method("Count"), Payload: encoded(t, &stock.Product{ProductId: "tea"})}
	if err := c.Node(0).Invoke(t.Context(), tea, count); err != nil {
		t.Fatal(err)
	}
	var reserved stock.Reserved
	if err := proto.Unmarshal(count.Reply.Payload.Value, &reserved); err != nil || reserved.GetQuantity() != 3 {
		t.Errorf("%v, %v", &reserved, err)
	}
	if url := count.Reply.Payload.TypeURL; url != "type.googleapis.com/com.example.stock.Reserved" {
		t.Errorf("the answer is a %s", url)
	}
	bad := &command.Command{On: service.Method("Reserve"), Payload: encoded(t, &stock.Reservation{ProductId: "tea", Quantity: -1})}
	if err := c.Node(0).Invoke(t.Context(), tea, bad); !errors.Is(err, mallee.ErrInvalid) {
		t.Errorf("a bad one: %v", err)
	}
	broken := &command.Command{On: service.Method("Reserve"), Payload: command.Payload{Value: []byte{0xff}}}
	if err := c.Node(0).Invoke(t.Context(), tea, broken); !errors.Is(err, mallee.ErrInvalid) {
		t.Errorf("no message: %v", err)
	}
}

// entities are an actor type as a sidecar makes it: what answers is given.
func entities(s *spec.Service, answer func(c *command.Command) error) mallee.Type {
	described := mallee.Interface{Name: s.Name}
	for _, m := range s.Methods {
		described.Methods = append(described.Methods, mallee.Method{Name: m.Name, New: func() mallee.Call { return &command.Command{On: m} }})
	}
	typ := mallee.NewType(described, func(*mallee.Self) any { return struct{}{} })
	typ.Answer = func(_ context.Context, _ any, call mallee.Call) error { return answer(call.(*command.Command)) }
	return typ
}

// A generated reference calls what is no Go actor.
func TestReferenceToAnEntity(t *testing.T) {
	t.Parallel()
	service := declared(shoppingcart.File_com_example_shoppingcart_shoppingcart_proto.Services().Get(0))
	var got []command.Payload
	c := malleetest.Encoded.Start(t, entities(service, func(c *command.Command) error {
		switch c.On.Name {
		case "AddItem":
			got = append(got, c.Payload)
			c.Reply = &command.Reply{Metadata: command.Metadata{{Key: "surplus", Text: "to Go"}}}
		case "RemoveItem":
			return command.Failed("it is not in the cart")
		case "GetCart": // a user function need not answer
		}
		return nil
	}))
	cart := shoppingcart.ShoppingCartOf(c.Node(0), "ann")
	added := &shoppingcart.AddLineItem{UserId: "ann", ProductId: "tea", Quantity: 2}
	if _, err := cart.AddItem(t.Context(), added); err != nil {
		t.Fatal(err)
	}
	var arrived shoppingcart.AddLineItem
	if err := proto.Unmarshal(got[0].Value, &arrived); err != nil || !proto.Equal(&arrived, added) || got[0].TypeURL != service.Method("AddItem").InputURL() {
		t.Errorf("%v, %v", got, err)
	}
	_, err := cart.RemoveItem(t.Context(), &shoppingcart.RemoveLineItem{})
	var failed *mallee.Error
	if !errors.As(err, &failed) || failed.Code != mallee.CodeUnknown || failed.Message != "it is not in the cart" {
		t.Errorf("a failure: %v", err)
	}
	if answer, err := cart.GetCart(t.Context(), &shoppingcart.GetShoppingCart{}); answer != nil || err != nil {
		t.Errorf("no answer: %v, %v", answer, err)
	}
}
