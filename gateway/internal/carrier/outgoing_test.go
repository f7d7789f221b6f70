package carrier_test

import (
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/mallee-io/mallee/gateway/internal/carrier"
	"github.com/mallee-io/mallee/wire/edge"
)

// One frame goes to connections of all kinds at the same time.
func TestAFrameIsShared(t *testing.T) {
	t.Parallel()
	shared := outgoing(edge.KindText, strings.Repeat("x", 300))
	var all sync.WaitGroup
	for _, dial := range carriers() {
		for range 3 {
			cl, conn := dial(t, carrier.Config{})
			all.Go(func() {
				for range 10 {
					if err := conn.Write([]*carrier.Outgoing{shared}); err != nil {
						t.Error(err)
					}
				}
			})
			all.Go(func() {
				for range 10 {
					if kind, payload, err := cl.next(); err != nil || kind != edge.KindText || len(payload) != 300 {
						t.Error(kind, len(payload), err)
					}
				}
			})
		}
	}
	all.Wait()
}

// A frame costs one allocation for each way in which it is written, however
// many connections it goes to.
func TestAFrameIsEncodedOnce(t *testing.T) {
	conns := make(chan carrier.Conn, 1)
	_ = carrier.New(carrier.Config{}).ServeTCP(&once{script: say(nil, false)}, func(c carrier.Conn) { conns <- c })
	conn := <-conns
	frames := []*carrier.Outgoing{outgoing(edge.KindText, "hi")}
	if n := testing.AllocsPerRun(100, func() { _ = conn.Write(frames) }); n > 0 {
		t.Errorf("writing a frame again allocates %v times", n)
	}
}

// However a client cuts its messages into fragments, and whatever control frames
// it puts between them, they come whole and in order.
func TestFragmentsMakeTheMessage(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		var sent []byte
		var want []string
		for range rapid.IntRange(1, 8).Draw(rt, "messages") {
			message := rapid.StringN(0, 60, fuzzLargest).Draw(rt, "message")
			want = append(want, message)
			opcode := byte(0x01)
			for rest, last := message, false; !last; opcode = 0 {
				n := rapid.IntRange(0, len(rest)).Draw(rt, "cut")
				last = n == len(rest)
				if last {
					opcode |= 0x80
				}
				sent = append(sent, masked(opcode, rest[:n])...)
				rest = rest[n:]
				if n == 0 && !last { // else there might be too many for nothing
					sent = append(sent, masked(0x80, rest)...)
					last = true
				}
				if rapid.Bool().Draw(rt, "pong") && len(sent) < 2_000 {
					sent = append(sent, masked(0x8A, "pong")...)
				}
			}
		}
		conn := upgraded(t, sent, false, rapid.Bool().Draw(rt, "dribble"))
		for _, message := range want {
			f, err := conn.Read()
			if err != nil || f.Kind != edge.KindText || string(f.Data) != message {
				rt.Fatalf("read %q, %v; not %q", f.Data, err, message)
			}
		}
	})
}
