package stream_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/mallee-io/mallee/gateway/internal/carrier"
	"github.com/mallee-io/mallee/gateway/internal/stream"
	"github.com/mallee-io/mallee/wire/edge"
)

// What comes in goes out in its order, through moves and epochs, and is
// acknowledged when it has gone.
func TestIn(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		queue := &stream.Queue{Messages: rapid.IntRange(1, 10).Draw(t, "messages"), Bytes: 1000}
		in := stream.NewIn(queue)
		came, done, inEpoch, ofEpoch := 0, 0, uint64(0), 0
		t.Repeat(map[string]func(*rapid.T){
			"": func(t *rapid.T) {
				if in.Received() != inEpoch || in.Len() != came-done || in.Full() != (came-done >= queue.Messages) {
					t.Fatalf("received %d, %d wait; want %d, %d", in.Received(), in.Len(), inEpoch, came-done)
				}
			},
			"push": func(t *rapid.T) {
				if in.Full() {
					t.Skip("not read")
				}
				in.Push(carrier.Frame{Kind: edge.KindText, Data: []byte(number(uint64(came)))}, 0)
				came++
				inEpoch++
			},
			"run": func(t *rapid.T) {
				w, ok := in.First()
				if !ok {
					t.Skip("empty")
				}
				if string(w.Frame.Data) != number(uint64(done)) {
					t.Fatalf("message %s where %d should be", w.Frame.Data, done)
				}
				in.Pop()
				done++
			},
			"ack": func(t *rapid.T) {
				if n, due := in.Ack(1); due && int(n) != done-ofEpoch {
					t.Fatalf("%d are acknowledged, %d have run", n, done-ofEpoch)
				}
			},
			"move": func(*rapid.T) {
				in.Sweep()
				in = stream.RestoreIn(queue, in.Received(), in.Waiting(), 0)
			},
			"epoch": func(*rapid.T) {
				in.Begin()
				inEpoch, ofEpoch = 0, came
			},
		})
	})
}
