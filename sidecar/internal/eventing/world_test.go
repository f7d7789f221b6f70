package eventing_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/malleetest"
	"github.com/mallee-io/mallee/sidecar/internal/broker"
	"github.com/mallee-io/mallee/sidecar/internal/command"
	"github.com/mallee-io/mallee/sidecar/internal/entity"
	"github.com/mallee-io/mallee/sidecar/internal/entity/rows"
	"github.com/mallee-io/mallee/sidecar/internal/eventing"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
	"github.com/mallee-io/mallee/sidecar/internal/spec/spectest"
	"github.com/mallee-io/mallee/storage"
)

const shop = `syntax = "proto3";
package shop;
import "google/protobuf/any.proto";
import "google/protobuf/empty.proto";
import "cloudstate/entity_key.proto";
import "cloudstate/eventing.proto";
message Line { string cart = 1 [(cloudstate.entity_key) = true]; string item = 2; }
message Added { string item = 1; }
message Removed { string item = 1; }
service Cart {
  rpc Add(Line) returns (google.protobuf.Empty);
}
service Mail {
  rpc OnAdded(Added) returns (google.protobuf.Empty) { option (cloudstate.eventing) = { in { event_log: "carts" } }; }
  rpc OnOther(google.protobuf.Any) returns (google.protobuf.Empty) { option (cloudstate.eventing) = { in { event_log: "carts" } }; }
}
service Stock {
  rpc OnAdded(Added) returns (Removed) { option (cloudstate.eventing) = { in { event_log: "carts" consumer_group: "stock" } out { topic: "reserved" } }; }
}
service Orders {
  rpc OnAdded(Added) returns (google.protobuf.Empty) { option (cloudstate.eventing) = { in { topic: "orders" } }; }
  rpc OnOther(google.protobuf.Any) returns (google.protobuf.Empty) { option (cloudstate.eventing) = { in { topic: "orders" } }; }
}
service Typed {
  rpc OnAdded(Added) returns (google.protobuf.Empty) { option (cloudstate.eventing) = { in { topic: "typed" consumer_group: "g" } }; }
}
`

func model(t testing.TB, services ...string) *spec.Model {
	kinds := map[string]spec.Kind{"Cart": spec.EventSourced, "Mail": spec.Action, "Stock": spec.Action, "Orders": spec.Action, "Typed": spec.Action}
	var entities []*cloudstatepb.Entity
	for _, s := range services {
		id := ""
		if s == "Cart" {
			id = "carts"
		}
		entities = append(entities, spectest.Entity(kinds[s], "shop."+s, id))
	}
	return spectest.Model(t, entities, spectest.File(t, "shop.proto", shop))
}

// function is a user function that handles events as it is told.
type function struct {
	mu     sync.Mutex
	calls  []string           // method and ce-id of the events it was given, in their order
	got    []*command.Command // all of it
	answer func(string) error // of an entry of calls; nil: handled
	heard  chan struct{}      // closed and made anew with each call
}

func (f *function) Call(ctx context.Context, _ mallee.Caller, c *command.Command) error {
	id, _ := c.Metadata.Get("ce-id")
	subject, _ := c.Metadata.Get("ce-subject")
	f.mu.Lock()
	call := strings.TrimSuffix(fmt.Sprintf("%s.%s %s %s", strings.TrimPrefix(c.On.Service.Name, "shop."), c.On.Name, id, subject), " ")
	f.calls = append(f.calls, call)
	f.got = append(f.got, c)
	if f.heard != nil {
		close(f.heard)
	}
	f.heard = make(chan struct{})
	answer := f.answer
	f.mu.Unlock()
	if answer == nil {
		return nil
	}
	done := make(chan error, 1)
	go func() { done <- answer(call) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return mallee.ErrTimeout.Errorf("the function was not heard of: %v", ctx.Err())
	}
}

func (f *function) all() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.calls...)
}

// cart is an event sourced entity: each command is an event with its payload.
type cart struct {
	self     *mallee.Self
	follower entity.Follower
	last     uint64
	wake     mallee.Reminders
}

func cartType(e *eventing.Eventing, s *spec.Service, options ...mallee.TypeOption) mallee.Type {
	iface := mallee.Interface{Name: s.Name}
	for _, m := range s.Methods {
		iface.Methods = append(iface.Methods, mallee.Method{Name: m.Name, New: func() mallee.Call { return &command.Command{On: m} }})
	}
	typ := mallee.NewType(iface, func(self *mallee.Self) any {
		c := &cart{self: self}
		if e != nil {
			c.follower = e.Follow(self.Activation(), s)
		}
		c.wake = mallee.NewReminders(self, func(context.Context, mallee.Reminder) error {
			if c.follower != nil && c.follower.Pending() {
				return errors.New("not all is delivered")
			}
			return nil
		})
		return c
	}, options...)
	typ.Answer = func(ctx context.Context, actor any, call mallee.Call) error {
		if c, ok := call.(*command.Command); ok {
			return actor.(*cart).add(ctx, c)
		}
		return call.Run(ctx, actor)
	}
	typ.Interleave = true
	typ.Release = func(actor any) {
		if f := actor.(*cart).follower; f != nil {
			f.Release()
		}
	}
	return typ
}

func (c *cart) OnActivate(ctx context.Context) error {
	table, key := rows.Table("carts"), c.self.Key()
	last, err := rows.LastEvent(ctx, c.self.Activation().Store(), table, key, 0)
	if err != nil {
		return err
	}
	c.last = last
	if c.follower == nil {
		return nil
	}
	return c.follower.Load(ctx)
}

func (c *cart) add(ctx context.Context, cmd *command.Command) error {
	if c.follower != nil {
		if err := c.wake.Set(ctx, mallee.Reminder{Name: "outgoing", First: time.Now().Add(time.Minute)}); err != nil {
			return err
		}
	}
	op, err := rows.Put(storage.Key{Table: rows.Table("carts"), Key1: c.self.Key(), Key2: rows.EventKey(c.last + 1)},
		&anypb.Any{TypeUrl: cmd.Payload.TypeURL, Value: cmd.Payload.Value}, 0)
	if err != nil {
		return err
	}
	if _, err := c.self.Activation().Write(ctx, op); err != nil {
		return err
	}
	c.last++
	if c.follower != nil {
		c.follower.Appended(c.last, c.last)
	}
	return nil
}

// world is a cluster with carts, whose events are consumed.
type world struct {
	*malleetest.Cluster
	model    *spec.Model
	eventing *eventing.Eventing
	function *function
	broker   broker.Broker
	reports  chan string
}

func withBroker(c *eventing.Config) { c.Broker = broker.Memory() }

func newWorld(t *testing.T, nodes int, m *spec.Model, set ...func(*eventing.Config)) *world {
	w := &world{model: m, function: &function{}, reports: make(chan string, 1000)}
	store := &lateStore{}
	config := eventing.Config{Model: m, Store: store, Log: slog.New(slog.DiscardHandler), Report: func(text string) { w.reports <- text }}
	for _, f := range set {
		f(&config)
	}
	w.eventing, w.broker = eventing.New(config), config.Broker
	w.Cluster = malleetest.Start(t, nodes, cartType(w.eventing, m.Service("shop.Cart")))
	store.Store = w.Store()
	return w
}

// lateStore is the cluster's store, which is made after what uses it.
type lateStore struct{ storage.Store }

// start begins to consume, until the end of the test.
func (w *world) start() { w.eventing.Start(w.function, w.Client()) }

func (w *world) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	w.eventing.Stop(ctx)
}

// add appends an event of a type to a cart.
func (w *world) add(ctx context.Context, cartID, typeURL string) error {
	return w.Client().Invoke(ctx, mallee.ID{Type: "shop.Cart", Key: cartID}, &command.Command{
		On:      w.model.Service("shop.Cart").Method("Add"),
		Payload: command.Payload{TypeURL: typeURL, Value: []byte("\x0a\x01x")},
	})
}

const (
	added   = "type.googleapis.com/shop.Added"
	removed = "type.googleapis.com/shop.Removed"
)

func (w *world) count(call string) (n int) {
	for _, c := range w.function.all() {
		if c == call {
			n++
		}
	}
	return n
}

// rows are the key2 of the cart "one" with a prefix.
func (w *world) rows(t *testing.T, prefix string) (keys []string) {
	for row, err := range w.Store().List(t.Context(), storage.Range{Table: rows.Table("carts"), Key1: "one", Prefix: prefix}) {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, row.Key.Key2)
	}
	return keys
}

// history is what a function has handled, as a bubble's goroutines tell it.
type history struct {
	mu      sync.Mutex
	calls   int
	handled map[string]uint64 // by group and cart
	wrong   []string
}

func split(call string) (group, cart string, event uint64) {
	parts := strings.Fields(call)
	group = "shop.Mail"
	if strings.HasPrefix(call, "Stock") {
		group = "stock"
	}
	event, _ = strconv.ParseUint(parts[1], 10, 64)
	return group, parts[2], event
}

// begin is told of a call and numbers it.
func (h *history) begin(call string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	group, cart, event := split(call)
	if before := h.handled[group+cart]; event > before+1 {
		h.wrong = append(h.wrong, fmt.Sprintf("%s begins when %d are handled", call, before))
	}
	h.calls++
	return h.calls
}

func (h *history) end(call string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	group, cart, event := split(call)
	h.handled[group+cart] = max(h.handled[group+cart], event)
}

func (h *history) last(group, cart string) uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.handled[group+cart]
}
