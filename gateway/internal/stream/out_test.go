package stream_test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/mallee-io/mallee/gateway/internal/carrier"
	"github.com/mallee-io/mallee/gateway/internal/stream"
	"github.com/mallee-io/mallee/wire/edge"
)

// receiver is a client: it counts, and knows which message has to come at which
// offset, since they are pushed in the order of their numbers.
type receiver struct {
	received uint64
	unsure   uint64
}

func (r *receiver) read(batch []*carrier.Outgoing) error {
	for _, f := range batch {
		if f.Kind == edge.KindLost {
			var lost edge.Lost
			if err := json.Unmarshal(f.Data, &lost); err != nil {
				return err
			}
			r.received += lost.Count
			r.unsure = lost.Sent
			continue
		}
		if got := string(f.Data[:8]); got != number(r.received) {
			return fmt.Errorf("message %s came where %d should be", got, r.received)
		}
		r.received++
	}
	return nil
}

func number(n uint64) string { return fmt.Sprintf("%08d", n) }

// Whatever happens, a message comes in its place or Lost counts it there, what is
// kept is bounded, and another gateway can go on at any time.
func TestOut(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		bounds := &stream.Bounds{
			Messages: rapid.IntRange(1, 20).Draw(t, "messages"), Bytes: rapid.IntRange(1, 400).Draw(t, "bytes"), Window: 10,
			Slow: stream.Policy(rapid.IntRange(0, 1).Draw(t, "policy")),
		}
		o, now := stream.NewOut(bounds, false), time.Duration(0)
		var client receiver
		attached, next, unsure := true, uint64(0), uint64(0)
		largest := 0
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) {
				if o.Next() != next {
					t.Fatalf("the stream has %d messages, and %d were pushed", o.Next(), next)
				}
				if o.Bytes() > bounds.Bytes+largest {
					t.Fatalf("%d bytes are kept of %d", o.Bytes(), bounds.Bytes)
				}
				if n := len(o.State().Kept); n > bounds.Messages+2 {
					t.Fatalf("%d entries are kept of %d", n, bounds.Messages)
				}
			},
			"push": func(t *rapid.T) {
				size := rapid.IntRange(8, 60).Draw(t, "size")
				largest = max(largest, size)
				frame := text(number(next) + string(make([]byte, size-8)))
				next++
				switch fate := o.Push(frame, now); {
				case fate == stream.Slow:
					attached = false
				case fate == stream.Dropped && !attached:
					t.Fatal("without a connection the oldest falls out")
				}
			},
			"miss": func(t *rapid.T) {
				n := rapid.Uint64Range(1, 5).Draw(t, "n")
				o.Miss(n)
				next += n
			},
			"unsure": func(*rapid.T) {
				o.Unsure()
				unsure++
			},
			"write": func(t *rapid.T) {
				if err := client.read(o.Take(nil, rapid.IntRange(1, 200).Draw(t, "limit"))); err != nil {
					t.Fatal(err)
				}
				if attached && !o.Pending() && (client.received != next || client.unsure != unsure) {
					t.Fatalf("the client has %d of %d messages, unsure of %d of %d, and nothing is pending", client.received, next, client.unsure, unsure)
				}
			},
			"write in vain": func(t *rapid.T) { o.Take(nil, rapid.IntRange(1, 200).Draw(t, "limit")); o.Detach(); attached = false },
			"ack": func(t *rapid.T) {
				n := rapid.Uint64Range(0, client.received).Draw(t, "received")
				if err := o.Ack(n); err != nil && attached {
					t.Fatal(err)
				}
			},
			"detach": func(*rapid.T) { o.Detach(); attached = false },
			"time": func(t *rapid.T) {
				now += time.Duration(rapid.IntRange(1, 20).Draw(t, "time"))
				o.Sweep(now)
			},
			"resume": func(t *rapid.T) {
				replayed, lost, err := o.Resume(client.received)
				if err != nil || client.received+replayed+lost != next {
					t.Fatalf("%d received, %d follow, %d are lost of %d: %v", client.received, replayed, lost, next, err)
				}
				attached = true
			},
			"move": func(*rapid.T) { o, attached = stream.RestoreOut(bounds, o.State(), now), false },
			"lie": func(t *rapid.T) {
				if _, _, err := o.Resume(next + 1); err == nil {
					t.Fatal("the client has what was never sent")
				}
				if o.Ack(next+1) == nil {
					t.Fatal("what was never sent is acknowledged")
				}
			},
		})
	})
}

func TestOutPlain(t *testing.T) {
	t.Parallel()
	o := stream.NewOut(&stream.Bounds{Messages: 2, Bytes: 100, Window: time.Minute}, true)
	for i := range 4 {
		want := stream.Kept
		if i >= 2 {
			want = stream.Dropped
		}
		if fate := o.Push(text(strconv.Itoa(i)), 0); fate != want {
			t.Errorf("message %d: fate %d", i, fate)
		}
	}
	o.Unsure()
	if batch := o.Take(nil, 1000); len(batch) != 2 || o.Bytes() != 0 || o.Pending() {
		t.Errorf("%d frames were written, %d bytes are kept", len(batch), o.Bytes())
	}
}

func TestOutDropSession(t *testing.T) {
	t.Parallel()
	o := stream.NewOut(&stream.Bounds{Messages: 2, Bytes: 100, Window: time.Minute, Slow: stream.DropSession}, false)
	o.Push(text(number(0)), 0)
	o.Push(text(number(1)), 0)
	if fate := o.Push(text(number(2)), 0); fate != stream.Slow {
		t.Fatalf("fate %d", fate)
	}
	if o.Pending() || len(o.Take(nil, 1000)) > 0 {
		t.Error("something is written to a connection that is closed")
	}
	o.Push(text(number(3)), 0)
	replayed, lost, err := o.Resume(0)
	if replayed != 2 || lost != 2 || err != nil {
		t.Errorf("%d follow, %d are lost: %v", replayed, lost, err)
	}
	var client receiver
	if err := client.read(o.Take(nil, 1000)); err != nil || client.received != 4 {
		t.Errorf("the client has %d: %v", client.received, err)
	}
}

// A message may be larger than what is kept.
func TestOutLargeMessage(t *testing.T) {
	t.Parallel()
	o := stream.NewOut(&stream.Bounds{Messages: 10, Bytes: 10, Window: time.Minute}, false)
	if fate := o.Push(text(string(make([]byte, 1000))), 0); fate != stream.Kept {
		t.Errorf("fate %d", fate)
	}
	if fate := o.Push(text("x"), 0); fate != stream.Dropped {
		t.Errorf("fate %d of one behind it", fate)
	}
}
