package stream_test

import (
	"runtime"
	"testing"
	"time"
	"unsafe"

	"github.com/mallee-io/mallee/gateway/internal/carrier"
	"github.com/mallee-io/mallee/gateway/internal/stream"
	"github.com/mallee-io/mallee/wire/edge"
)

func bounds() *stream.Bounds {
	return &stream.Bounds{Messages: 256, Bytes: 1 << 20, Window: time.Minute}
}

func text(s string) *carrier.Outgoing {
	return &carrier.Outgoing{Frame: carrier.Frame{Kind: edge.KindText, Data: []byte(s)}}
}

// One message to 10,000 clients, of which each then is written and acknowledged.
func BenchmarkPush10000(b *testing.B) {
	for _, plain := range []bool{false, true} {
		name := "framed"
		if plain {
			name = "plain"
		}
		b.Run(name, func(b *testing.B) {
			bounds, frame := bounds(), text("a message")
			outs := make([]stream.Out, 10_000)
			for i := range outs {
				outs[i] = stream.NewOut(bounds, plain)
			}
			var batch []*carrier.Outgoing
			var pushing time.Duration
			b.ReportAllocs()
			for b.Loop() {
				start := time.Now()
				for i := range outs {
					outs[i].Push(frame, 0)
				}
				pushing += time.Since(start)
				for i := range outs {
					o := &outs[i]
					batch = o.Take(batch[:0], 1<<16)
					if err := o.Ack(o.Next()); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(pushing.Nanoseconds())/float64(b.N)/10_000, "ns/push")
		})
	}
}

// What the streams of a session take that has had messages and is idle.
func BenchmarkIdle(b *testing.B) {
	bounds, queue, frame := bounds(), &stream.Queue{Messages: 16, Bytes: 1 << 16}, text("a message")
	const sessions = 10_000
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		outs, ins := make([]*stream.Out, sessions), make([]*stream.In, sessions)
		var batch []*carrier.Outgoing
		for i := range outs {
			o, in := stream.NewOut(bounds, false), stream.NewIn(queue)
			for range 100 {
				o.Push(frame, 0)
				in.Push(frame.Frame, 0)
			}
			batch = o.Take(batch[:0], 1<<20)
			if err := o.Ack(100); err != nil {
				b.Fatal(err)
			}
			for in.Len() > 0 {
				in.Pop()
			}
			o.Sweep(0)
			in.Sweep()
			outs[i], ins[i] = &o, &in
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/sessions-2*float64(unsafe.Sizeof(outs[0])), "B/session")
		b.ReportMetric(float64(unsafe.Sizeof(*outs[0])), "B/Out")
		b.ReportMetric(float64(unsafe.Sizeof(*ins[0])), "B/In")
		runtime.KeepAlive(outs)
		runtime.KeepAlive(ins)
	}
}
