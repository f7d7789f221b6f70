package sessions_test

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/mallee-io/mallee/internal/sessions"
)

type body interface {
	Append(b []byte) []byte
	Parse(body []byte) error
}

func handoverOrders() []body {
	moved := []sessions.Relocation{{From: 10000000001, To: 20000000007}, {From: 10000000000, To: 1<<64 - 1}}
	return []body{
		&sessions.Forward{Origin: 3, From: 10000000001, Order: sessions.OrderPush, Body: []byte{1, 2}},
		&sessions.Missing{Session: 20000000007, Count: 3},
		&sessions.Superseded{Session: 20000000007, By: 30000000001, Attempt: 4},
		&sessions.Moves{Moved: moved},
		&sessions.Marker{Origin: 3, Moved: moved},
	}
}

func TestHandoverOrders(t *testing.T) {
	t.Parallel()
	for _, want := range handoverOrders() {
		encoded := want.Append(nil)
		got := reflect.New(reflect.TypeOf(want).Elem()).Interface().(body)
		if err := got.Parse(encoded); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v; want %+v", got, err, want)
		}
		encoded[0]++
		if got.Parse(encoded) == nil {
			t.Errorf("another version of %T is read", want)
		}
	}
}

func FuzzHandoverOrders(f *testing.F) {
	for i, o := range handoverOrders() {
		f.Add(byte(i), o.Append(nil))
	}
	f.Fuzz(func(t *testing.T, which byte, in []byte) {
		orders := handoverOrders()
		o := orders[int(which)%len(orders)]
		if o.Parse(in) != nil {
			return
		}
		once := o.Append(nil)
		if err := o.Parse(once); err != nil || !bytes.Equal(o.Append(nil), once) {
			t.Errorf("%x is read and written as %x: %v", once, o.Append(nil), err)
		}
	})
}

func TestRelocations(t *testing.T) {
	t.Parallel()
	r := sessions.NewRelocations(2)
	r.Learn(1, 2)
	r.Learn(2, 3)
	if r.Now(1) != 3 || r.Now(3) != 3 || r.Now(7) != 7 {
		t.Errorf("session 1 is at %d, 3 at %d, 7 at %d", r.Now(1), r.Now(3), r.Now(7))
	}
	r.Learn(3, 4) // one too many
	if r.Now(1) != 1 || r.Now(2) != 4 || r.Len() != 2 {
		t.Errorf("session 1 is at %d, 2 at %d, %d are known", r.Now(1), r.Now(2), r.Len())
	}
	r.Learn(4, 2) // a mistake
	r.Now(2)
	r.Learn(4, 0)
	if r.Now(3) != 4 && r.Now(3) != 3 {
		t.Errorf("session 3 is at %d", r.Now(3))
	}
}
