package wire

import (
	"encoding"
	"fmt"
	"math"
	"math/bits"
	"time"

	"github.com/tinylib/msgp/msgp"
)

// WordSize is the number of bits of int and uint here.
const WordSize = bits.UintSize

// MaxDepth is how deep arrays and maps may nest in each other.
const MaxDepth = 1000

var errTooDeep = fmt.Errorf("values are nested more than %d deep, or contain themselves", MaxDepth)

// Decoder reads values from a byte slice in their order. It keeps its first
// error and then returns zero values, so that one check at the end is enough;
// what was decoded up to an error must not be used. No input makes it panic,
// and it allocates no more than a small multiple of the input's length.
type Decoder struct {
	rest   []byte
	total  int
	depth  int
	budget int64 // bytes that slices and maps may still take
	err    error
}

// A slice or map takes more memory than its encoding, but what an Encoder has
// written never takes more than this.
const (
	bytesPerByte = 32
	freeBytes    = 1 << 20
)

// NewDecoder reads from b, which it does not keep: strings and bytes are copied.
func NewDecoder(b []byte) Decoder {
	return Decoder{rest: b, total: len(b), budget: freeBytes + bytesPerByte*int64(len(b))}
}

// Err is the first error, with the offset at which it was met.
func (d *Decoder) Err() error { return d.err }

// Finish is Err, or an error when bytes are left over.
func (d *Decoder) Finish() error {
	if d.err == nil && len(d.rest) > 0 {
		d.Fail(fmt.Errorf("%d bytes are left over", len(d.rest)))
	}
	return d.err
}

// Fail sets the error, unless there is one.
func (d *Decoder) Fail(err error) {
	if d.err == nil && err != nil {
		d.err = fmt.Errorf("at byte %d of %d: %w", d.total-len(d.rest), d.total, err)
	}
}

// IsNil reports whether the next value is nil, and takes it if so.
func (d *Decoder) IsNil() bool {
	if d.err == nil && msgp.IsNil(d.rest) {
		d.rest = d.rest[1:]
		return true
	}
	return false
}

func read[T any](d *Decoder, readBytes func([]byte) (T, []byte, error)) (v T) {
	if d.err != nil {
		return v
	}
	value, rest, err := readBytes(d.rest)
	if err != nil {
		d.Fail(err)
		return v
	}
	d.rest = rest
	return value
}

// Bool reads a bool.
func (d *Decoder) Bool() bool { return read(d, msgp.ReadBoolBytes) }

// Int reads a signed integer of the given number of bits.
func (d *Decoder) Int(bits int) int64 {
	v := read(d, msgp.ReadInt64Bytes)
	if shift := 64 - bits; v<<shift>>shift != v {
		d.Fail(fmt.Errorf("%d does not fit into %d bits", v, bits))
		return 0
	}
	return v
}

// Uint reads an unsigned integer of the given number of bits.
func (d *Decoder) Uint(bits int) uint64 {
	v := read(d, msgp.ReadUint64Bytes)
	if shift := 64 - bits; v<<shift>>shift != v {
		d.Fail(fmt.Errorf("%d does not fit into %d bits", v, bits))
		return 0
	}
	return v
}

// Float32 reads a float32, or a float64 or integer that it can hold.
func (d *Decoder) Float32() float32 {
	v := d.Float64()
	if f := float32(v); math.IsInf(float64(f), 0) && !math.IsInf(v, 0) {
		d.Fail(fmt.Errorf("%v does not fit into a float32", v))
		return 0
	}
	return float32(v)
}

// Float64 reads a float of either size, or an integer: other languages write
// whole numbers as integers.
func (d *Decoder) Float64() float64 {
	if d.err != nil {
		return 0
	}
	switch msgp.NextType(d.rest) {
	case msgp.Float32Type:
		return float64(read(d, msgp.ReadFloat32Bytes))
	case msgp.IntType:
		return float64(read(d, msgp.ReadInt64Bytes))
	case msgp.UintType:
		return float64(read(d, msgp.ReadUint64Bytes))
	}
	return read(d, msgp.ReadFloat64Bytes)
}

// Complex reads what Encoder.Complex wrote.
func (d *Decoder) Complex() complex128 {
	if n := d.ArrayLen(); n != 2 && d.err == nil {
		d.Fail(fmt.Errorf("a complex number has 2 parts, not %d", n))
	}
	re := d.Float64()
	im := d.Float64()
	d.Leave()
	return complex(re, im)
}

// String reads text.
func (d *Decoder) String() string { return string(read(d, msgp.ReadStringZC)) }

// Bytes reads binary data or nil.
func (d *Decoder) Bytes() []byte {
	if d.IsNil() {
		return nil
	}
	v := read(d, msgp.ReadBytesZC)
	if d.err != nil {
		return nil
	}
	return append(make([]byte, 0, len(v)), v...)
}

// Time reads an instant, in UTC.
func (d *Decoder) Time() time.Time {
	if d.err != nil {
		return time.Time{}
	}
	const size = 15
	if len(d.rest) < size || d.rest[0] != 0xc7 || d.rest[1] != 12 || d.rest[2] != 0xff {
		return read(d, msgp.ReadTimeBytes).UTC() // the shorter forms of the timestamp
	}
	b := d.rest[3:size]
	nanos := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	var seconds uint64
	for _, octet := range b[4:] {
		seconds = seconds<<8 | uint64(octet)
	}
	if nanos > 999_999_999 {
		d.Fail(fmt.Errorf("a timestamp has %d nanoseconds", nanos))
		return time.Time{}
	}
	d.rest = d.rest[size:]
	return time.Unix(int64(seconds), int64(nanos)).UTC()
}

// Binary gives a type back what it made of itself.
func (d *Decoder) Binary(v encoding.BinaryUnmarshaler) {
	if data := read(d, msgp.ReadBytesZC); d.err == nil {
		d.within(v, v.UnmarshalBinary(append([]byte(nil), data...)))
	}
}

// Text gives a type back what it made of itself.
func (d *Decoder) Text(v encoding.TextUnmarshaler) {
	if text := read(d, msgp.ReadStringZC); d.err == nil {
		d.within(v, v.UnmarshalText(append([]byte(nil), text...)))
	}
}

func (d *Decoder) within(v any, err error) {
	if err != nil {
		d.Fail(fmt.Errorf("%T: %w", v, err))
	}
}

// ArrayLen begins an array; Leave ends it. The length is checked against what
// the rest of the input can hold.
func (d *Decoder) ArrayLen() int { return d.enter(read(d, msgp.ReadArrayHeaderBytes), 1) }

// MapLen begins a map; Leave ends it.
func (d *Decoder) MapLen() int { return d.enter(read(d, msgp.ReadMapHeaderBytes), 2) }

func (d *Decoder) enter(n uint32, bytesEach int) int {
	if d.depth++; d.depth > MaxDepth {
		d.Fail(errTooDeep)
		return 0
	}
	if d.err != nil {
		return 0
	}
	if int64(n)*int64(bytesEach) > int64(len(d.rest)) {
		d.Fail(fmt.Errorf("%d elements are announced, %d bytes are left", n, len(d.rest)))
		return 0
	}
	return int(n)
}

// Charge accounts for the memory that n elements of the given size will take.
// It reports false, and fails, where the input cannot mean it.
func (d *Decoder) Charge(n int, size int64) bool {
	if d.budget -= int64(n) * size; d.budget < 0 {
		d.Fail(fmt.Errorf("%d elements of %d bytes are more than an input of %d bytes can mean", n, size, d.total))
	}
	return d.err == nil
}

// Name reads the name of a struct's field. It is valid until the next read.
func (d *Decoder) Name() []byte { return read(d, msgp.ReadStringZC) }

// Leave ends an array or map.
func (d *Decoder) Leave() { d.depth-- }

// Skip passes over the next n values, whatever they are.
func (d *Decoder) Skip(n int) {
	for range n {
		if d.err != nil {
			return
		}
		switch msgp.NextType(d.rest) {
		case msgp.ArrayType:
			d.Skip(d.ArrayLen())
			d.Leave()
		case msgp.MapType:
			d.Skip(2 * d.MapLen())
			d.Leave()
		default:
			rest, err := msgp.Skip(d.rest)
			if err != nil {
				d.Fail(err)
				return
			}
			d.rest = rest
		}
	}
}
