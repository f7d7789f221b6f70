package client

import (
	"bufio"
	"io"
	"net"
	"time"

	"github.com/mallee-io/mallee/wire/edge"
)

// Ceilings are the longest pauses of so many attempts in a row, after a
// connection that has lasted.
func Ceilings(first, longest time.Duration, attempts int) (all []time.Duration, within bool) {
	b := backoff{first: first, longest: longest, failed: 7}
	b.lasted(longest)
	within = true
	for range attempts {
		ceiling := b.ceiling()
		b.lasted(ceiling - 1) // not long enough
		within = within && b.next() <= ceiling
		all = append(all, ceiling)
	}
	return all, within
}

// ReadWebSocket reads frames until there are no more. The error is never nil.
func ReadWebSocket(from io.Reader, largest int) (all []edge.Data, err error) {
	w := websocket{conn: deaf{}, in: bufio.NewReader(from), largest: largest}
	for {
		d, err := w.read()
		if err != nil {
			return all, err
		}
		all = append(all, d)
	}
}

// deaf takes what is written to it.
type deaf struct{ net.Conn }

func (deaf) Write(b []byte) (int, error)      { return len(b), nil }
func (deaf) SetWriteDeadline(time.Time) error { return nil }
