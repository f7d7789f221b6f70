package sessions_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/sessions"
	"github.com/mallee-io/mallee/placement"
)

// order is what a node tells a gateway, or asks it.
type order interface {
	Append(b []byte) []byte
	Parse(body []byte) error
}

// kinds makes an empty order of each kind.
var kinds = []func() order{
	func() order { return new(sessions.Push) },
	func() order { return new(sessions.Kick) },
	func() order { return new(sessions.Bind) },
	func() order { return new(sessions.Detached) },
	func() order { return new(sessions.Relay) },
	func() order { return new(sessions.Gap) },
}

func drawOrder(t *rapid.T) order {
	list := rapid.SliceOf(rapid.Uint64()).Draw(t, "sessions")
	text, data := rapid.String().Draw(t, "text"), rapid.SliceOf(rapid.Byte()).Draw(t, "data")
	switch number := rapid.Uint64().Draw(t, "number"); rapid.IntRange(0, len(kinds)-1).Draw(t, "kind") {
	case 0:
		return &sessions.Push{Sessions: list, Message: mallee.Message{Text: rapid.Bool().Draw(t, "is text"), Data: data}}
	case 1:
		return &sessions.Kick{Sessions: list, Reason: mallee.DisconnectReason(number), Why: text}
	case 2:
		return &sessions.Bind{Session: number, To: mallee.ID{Type: text, Key: string(data)}}
	case 3:
		return &sessions.Detached{Sessions: list, Epoch: number}
	case 4:
		return &sessions.Gap{First: max(number, 1)}
	default:
		return &sessions.Relay{To: placement.NodeID(number), Order: text, Body: data}
	}
}

func TestOrdersKeepAllFields(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		o := drawOrder(t)
		body := o.Append([]byte("before"))[len("before"):]
		got := reflect.New(reflect.TypeOf(o).Elem()).Interface().(order)
		if err := got.Parse(body); err != nil || !reflect.DeepEqual(got, o) {
			t.Fatalf("%+v became %+v, %v", o, got, err)
		}
		body[0]++
		if err := got.Parse(body); err == nil {
			t.Fatal("a version that nobody knows is taken")
		}
	})
}

// An order claims at most what it has: nothing is made room for before.
func FuzzOrders(f *testing.F) {
	f.Add([]byte{1, 2, 20, 2, 1, 'h', 'i'})
	f.Add([]byte{1, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, empty := range kinds {
			o := empty()
			if o.Parse(body) != nil {
				continue
			}
			again := empty()
			if err := again.Parse(o.Append(nil)); err != nil || !reflect.DeepEqual(o, again) {
				t.Errorf("%+v became %+v, %v", o, again, err)
			}
		}
	})
}

func TestPlaces(t *testing.T) {
	t.Parallel()
	at := sessions.At(7, 42)
	if at != 70_000_000_042 || sessions.GatewayOf(at) != 7 {
		t.Errorf("%d is at gateway %s", at, sessions.GatewayOf(at))
	}
	first, last := sessions.Span(7)
	if sessions.GatewayOf(first) != 7 || sessions.GatewayOf(last) != 7 || sessions.GatewayOf(first-1) != 6 || sessions.GatewayOf(last+1) != 8 {
		t.Errorf("from %d to %d", first, last)
	}
}

// teller keeps what it is told.
type teller struct {
	sessions.Node
	told []told
	err  error
}

type told struct {
	to     placement.NodeID
	pushed sessions.Push
}

func (n *teller) Tell(_ context.Context, to placement.NodeID, _ mallee.ID, order string, body []byte) error {
	var p sessions.Push
	if err := p.Parse(body); err != nil || order != sessions.OrderPush {
		return errors.Join(err, errors.New(order))
	}
	n.told = append(n.told, told{to, p})
	return n.err
}

// A push goes once to each gateway, and again only where it has more sessions
// than an order takes.
func TestPushGoesToEachGateway(t *testing.T) {
	t.Parallel()
	var at []uint64
	for _, gateway := range []placement.NodeID{3, 9} {
		for n := range uint64(200_000) {
			at = append(at, sessions.At(gateway, n+1))
		}
	}
	at = append(at, sessions.At(10, 1))
	n := &teller{err: errors.New("not reached")}
	s := sessions.Service{Of: n, Moved: sessions.NewRelocations(10)}
	if err := s.Push(t.Context(), mallee.ID{}, mallee.Text("hello"), at); err != n.err {
		t.Errorf("the error is %v", err)
	}
	var got []uint64
	for _, one := range n.told {
		if string(one.pushed.Message.Data) != "hello" || !one.pushed.Message.Text {
			t.Errorf("%+v", one.pushed.Message)
		}
		for _, a := range one.pushed.Sessions {
			if sessions.GatewayOf(a) != one.to {
				t.Fatalf("session %d is told to gateway %s", a, one.to)
			}
		}
		got = append(got, one.pushed.Sessions...)
	}
	if len(n.told) != 5 || !slices.Equal(got, at) {
		t.Errorf("%d orders for %d of %d sessions", len(n.told), len(got), len(at))
	}
	if err := s.Push(t.Context(), mallee.ID{}, mallee.Binary(make([]byte, 16<<20)), at); !errors.Is(err, mallee.ErrInvalid) || !mallee.SafeToRetry(err) {
		t.Errorf("a message that no frame takes: %v", err)
	}
}

// An actor that does not know yet that a session has moved sends nothing to the
// old place behind the marker: it would be overtaken there.
func TestNothingGoesToTheOldPlaceBehindTheMarker(t *testing.T) {
	t.Parallel()
	old, stays, now := sessions.At(3, 1), sessions.At(3, 2), sessions.At(9, 1)
	n := new(teller)
	s := sessions.Service{Of: n, Moved: sessions.NewRelocations(10)}
	marked := false
	err := s.Moved.Mark([]sessions.Relocation{{From: old, To: now}}, func() error {
		marked = len(n.told) == 0
		return nil
	})
	if err != nil || !marked {
		t.Fatalf("marked: %t, %v", marked, err)
	}
	if err := s.Push(t.Context(), mallee.ID{}, mallee.Text("hello"), []uint64{old, stays}); err != nil {
		t.Fatal(err)
	}
	if len(n.told) != 2 || !slices.Equal(n.told[0].pushed.Sessions, []uint64{stays}) || !slices.Equal(n.told[1].pushed.Sessions, []uint64{now}) {
		t.Errorf("told: %+v", n.told)
	}
	first, last := sessions.Span(3)
	if got := s.Moved.Within(first, last); !slices.Equal(got, []sessions.Relocation{{From: old, To: now}}) {
		t.Errorf("moved from there: %v", got)
	}
}
