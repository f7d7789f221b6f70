package wire

import (
	"encoding"
	"time"
)

// Copier makes deep copies of values that share memory, for calls that stay on
// one node. It keeps its first error.
type Copier struct {
	depth int
	err   error
}

// Finish is the first error.
func (c *Copier) Finish() error { return c.err }

// Enter begins a value that is an array or a map in its encoding, which Leave
// ends. It reports false when the copier has failed, as it does in values that
// contain themselves.
func (c *Copier) Enter() bool {
	if c.depth++; c.depth > MaxDepth && c.err == nil {
		c.err = errTooDeep
	}
	return c.err == nil
}

// Leave ends what Enter began.
func (c *Copier) Leave() { c.depth-- }

// Instant is a time as another node would get it: in UTC, without the reading
// of this machine's monotonic clock.
func Instant(t time.Time) time.Time { return t.Round(0).UTC() }

// Binary copies a type that knows its own encoding.
func (c *Copier) Binary(to encoding.BinaryUnmarshaler, from encoding.BinaryMarshaler) {
	e := NewEncoder(nil)
	e.Binary(from)
	c.through(e, func(d *Decoder) { d.Binary(to) })
}

// Text copies a type that knows its own encoding.
func (c *Copier) Text(to encoding.TextUnmarshaler, from encoding.TextMarshaler) {
	e := NewEncoder(nil)
	e.Text(from)
	c.through(e, func(d *Decoder) { d.Text(to) })
}

func (c *Copier) through(e Encoder, decode func(*Decoder)) {
	b, err := e.Finish()
	if err == nil {
		d := NewDecoder(b)
		decode(&d)
		err = d.Finish()
	}
	if c.err == nil {
		c.err = err
	}
}
