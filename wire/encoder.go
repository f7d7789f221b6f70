// Package wire turns Go values into bytes and back, without I/O: the
// MessagePack that generated code writes for arguments, results and structs.
//
// An Encoder extends a slice, a Decoder consumes one. Both follow the
// MessagePack specification (github.com/msgpack/msgpack), so that other
// languages read and write the same.
package wire

import (
	"encoding"
	"fmt"
	"math"
	"time"

	"github.com/tinylib/msgp/msgp"
)

// Encoder appends values to a byte slice. It keeps its first error, so that
// one check at the end is enough.
type Encoder struct {
	b     []byte
	depth int
	err   error
}

// NewEncoder appends to b.
func NewEncoder(b []byte) Encoder { return Encoder{b: b} }

// Finish gives back the slice, or the first error.
func (e *Encoder) Finish() ([]byte, error) {
	// A length in MessagePack has 32 bits; what is longer would have lost some.
	if uint64(len(e.b)) > math.MaxUint32 {
		e.Fail(fmt.Errorf("%d bytes are more than MessagePack can announce", len(e.b)))
	}
	return e.b, e.err
}

// Fail sets the error, unless there is one or err is nil.
func (e *Encoder) Fail(err error) {
	if e.err == nil && err != nil {
		e.err = err
	}
}

// Nil writes nil: a nil pointer, slice or map.
func (e *Encoder) Nil() { e.b = msgp.AppendNil(e.b) }

// Bool writes a bool.
func (e *Encoder) Bool(v bool) { e.b = msgp.AppendBool(e.b, v) }

// Int writes a signed integer in its shortest form.
func (e *Encoder) Int(v int64) { e.b = msgp.AppendInt64(e.b, v) }

// Uint writes an unsigned integer in its shortest form.
func (e *Encoder) Uint(v uint64) { e.b = msgp.AppendUint64(e.b, v) }

// Float32 writes a float32.
func (e *Encoder) Float32(v float32) { e.b = msgp.AppendFloat32(e.b, v) }

// Float64 writes a float64, always with its eight bytes.
func (e *Encoder) Float64(v float64) {
	e.b = appendBigEndian(append(e.b, 0xcb), math.Float64bits(v))
}

// Complex writes a complex number as an array of its two parts.
func (e *Encoder) Complex(v complex128) {
	e.ArrayLen(2)
	e.Float64(real(v))
	e.Float64(imag(v))
	e.Leave()
}

// String writes text.
func (e *Encoder) String(v string) { e.b = msgp.AppendString(e.b, v) }

// Bytes writes binary data; nil stays nil.
func (e *Encoder) Bytes(v []byte) {
	if v == nil {
		e.Nil()
		return
	}
	e.b = msgp.AppendBytes(e.b, v)
}

// Time writes an instant as MessagePack's timestamp (extension type -1), with
// nanoseconds and without its location. It is decoded in UTC.
func (e *Encoder) Time(v time.Time) {
	nanos := uint32(v.Nanosecond())
	e.b = append(e.b, 0xc7, 12, 0xff, byte(nanos>>24), byte(nanos>>16), byte(nanos>>8), byte(nanos))
	e.b = appendBigEndian(e.b, uint64(v.Unix()))
}

// ArrayLen begins an array of n values, which Leave ends. It reports false
// when the encoder has failed, as it does in values that contain themselves.
func (e *Encoder) ArrayLen(n int) bool {
	e.b = msgp.AppendArrayHeader(e.b, uint32(n))
	return e.enter()
}

// MapLen begins a map of n keys and values, like ArrayLen.
func (e *Encoder) MapLen(n int) bool {
	e.b = msgp.AppendMapHeader(e.b, uint32(n))
	return e.enter()
}

func (e *Encoder) enter() bool {
	if e.depth++; e.depth > MaxDepth {
		e.Fail(errTooDeep)
	}
	return e.err == nil
}

// Leave ends an array or map.
func (e *Encoder) Leave() { e.depth-- }

// Binary writes what a type makes of itself.
func (e *Encoder) Binary(v encoding.BinaryMarshaler) {
	data, err := v.MarshalBinary()
	if err != nil {
		e.Fail(fmt.Errorf("%T: %w", v, err))
	}
	e.b = msgp.AppendBytes(e.b, data)
}

// Text writes what a type makes of itself.
func (e *Encoder) Text(v encoding.TextMarshaler) {
	text, err := v.MarshalText()
	if err != nil {
		e.Fail(fmt.Errorf("%T: %w", v, err))
	}
	e.b = msgp.AppendStringFromBytes(e.b, text)
}

func appendBigEndian(b []byte, v uint64) []byte {
	return append(b, byte(v>>56), byte(v>>48), byte(v>>40), byte(v>>32), byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
}
