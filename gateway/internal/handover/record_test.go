package handover_test

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/gateway/internal/carrier"
	"github.com/mallee-io/mallee/gateway/internal/handover"
	"github.com/mallee-io/mallee/gateway/internal/stream"
	"github.com/mallee-io/mallee/wire/edge"
)

func exampleTaken() handover.Taken {
	return handover.Taken{Record: &handover.Record{
		Session: 10000000001, User: "ann", Actor: mallee.ID{Type: "Player", Key: "ann"}, Server: -3, Login: []byte(`{"a":1}`), Epoch: 1 << 63,
		Out: stream.State{First: 7, Unsure: 2, Kept: []stream.Entry{
			{Frame: &carrier.Outgoing{Frame: carrier.Frame{Kind: edge.KindText, Data: []byte("hello")}}},
			{Missing: 12},
			{Frame: &carrier.Outgoing{Frame: carrier.Frame{Kind: edge.KindBinary, Data: []byte{0, 255}}}},
		}},
		Received: 9, Waiting: []carrier.Frame{{Kind: edge.KindText, Data: []byte("up")}},
	}}
}

func TestRecord(t *testing.T) {
	t.Parallel()
	for _, want := range []handover.Taken{exampleTaken(), {Gone: 5}, {Late: true}, {Ended: edge.Closed{Code: edge.CodeKicked, Reason: "enough"}}, {}} {
		body, err := want.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		var got handover.Taken
		if err := got.Parse(body); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v; want %+v", got, err, want)
		}
		for n := range body {
			if err := new(handover.Taken).Parse(body[:n]); err == nil {
				t.Errorf("%d bytes of %d are enough", n, len(body))
			}
		}
		body[0]++
		if err := got.Parse(body); err == nil {
			t.Error("another version is read")
		}
	}
	want := handover.Take{Session: 1, At: 2, To: 3, Epoch: 4, Received: 5, Attempt: 6}
	body, err := want.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	var got handover.Take
	if err := got.Parse(body); err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	want := handover.Find{Session: 1, Attempt: 2}
	body, err := want.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	var got handover.Find
	if err := got.Parse(body); err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	for _, want := range []handover.Found{{}, {Late: true}, {At: 20000000001}} {
		body, err := want.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		var got handover.Found
		if err := got.Parse(body); err != nil || got != want {
			t.Errorf("got %+v, %v; want %+v", got, err, want)
		}
		for n := range body {
			if err := new(handover.Found).Parse(body[:n]); err == nil {
				t.Errorf("%d bytes of %d are enough", n, len(body))
			}
		}
	}
}

// FuzzQuestions reads what other gateways ask and answer.
func FuzzQuestions(f *testing.F) {
	f.Add([]byte{1, 0x92, 0xc3, 7})
	f.Add([]byte{1, 0x96, 1, 2, 3, 4, 5, 6})
	f.Fuzz(func(t *testing.T, in []byte) {
		for _, q := range []interface {
			Append([]byte) ([]byte, error)
			Parse([]byte) error
		}{new(handover.Find), new(handover.Found), new(handover.Take)} {
			if q.Parse(in) != nil {
				continue
			}
			once, err := q.Append(nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := q.Parse(once); err != nil {
				t.Fatal(err)
			}
			if again, err := q.Append(nil); err != nil || !bytes.Equal(once, again) {
				t.Errorf("%x became %x, %v", once, again, err)
			}
		}
	})
}

func FuzzTaken(f *testing.F) {
	example := exampleTaken()
	body, err := example.Append(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body)
	f.Add([]byte{1, 0x93, 0xc3, 0, 0xc0})
	f.Fuzz(func(t *testing.T, in []byte) {
		var got, again handover.Taken
		if err := got.Parse(in); err != nil {
			return
		}
		body, err := got.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := again.Parse(body); err != nil {
			t.Fatal(err)
		}
		once, err := again.Append(nil)
		if err != nil || !bytes.Equal(once, body) {
			t.Errorf("%x became %x, %v", body, once, err)
		}
		if r := got.Record; r != nil { // a stream can be made of it
			bounds := stream.Bounds{Messages: 10, Bytes: 100, Window: 1}
			o := stream.RestoreOut(&bounds, r.Out, 0)
			if _, _, err := o.Resume(o.Next()); err != nil {
				t.Error(err)
			}
		}
	})
}
