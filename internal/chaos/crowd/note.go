package crowd

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/mallee-io/mallee"
)

// Note is what an actor sends to a client. The notes of one line are numbered,
// so that the client knows what it has missed.
type Note struct {
	Line string `json:"line"`
	N    int64  `json:"n"`
	// Sure is the last one before this that was sent for certain: of those
	// between, the sender was told that they may be missing.
	Sure int64 `json:"sure"`
	// Beginning says that the client was not there before: it gets what comes
	// after N.
	Beginning bool  `json:"beginning,omitempty"`
	Op        int64 `json:"op,omitempty"` // the message of the client that is echoed
}

// line is what numbers notes. It can be taken along when an actor moves.
type line struct {
	Name    string
	N, Sure int64
}

// newLine is that of an activation.
func newLine(self *mallee.Self) line {
	return line{Name: fmt.Sprint(self.ID(), "@", self.Epoch())}
}

// send numbers a note and sends it.
func (l *line) send(ctx context.Context, op int64, send func(context.Context, mallee.Message) error) error {
	l.N++
	if err := send(ctx, message(Note{Line: l.Name, N: l.N, Sure: l.Sure, Op: op})); err != nil {
		return err
	}
	l.Sure = l.N
	return nil
}

// beginning is for one that was not there before.
func (l *line) beginning() mallee.Message {
	return message(Note{Line: l.Name, N: l.N, Sure: l.N, Beginning: true})
}

func message(n Note) mallee.Message {
	b, err := json.Marshal(n)
	if err != nil {
		panic(err) // numbers and a name can be written
	}
	return mallee.Message{Text: true, Data: b}
}
