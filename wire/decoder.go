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

// Values take more memory than their encoding. The generator charges for each
// type no more than so many times the bytes that an Encoder writes at least, so
// that whatever an Encoder has written can be read.
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

// Fail sets the error, unless there is one. The rest of the input is dropped,
// so that whatever still reads finds nothing, at no cost.
func (d *Decoder) Fail(err error) {
	if d.err == nil && err != nil {
		d.err = fmt.Errorf("at byte %d of %d: %w", d.total-len(d.rest), d.total, err)
		d.rest = nil
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

// took advances past a value, or notes why it could not be read. (A generic
// function around all reads would make every decoder escape to the heap.)
func (d *Decoder) took(rest []byte, err error) bool {
	if d.err != nil || err != nil {
		d.Fail(err)
		return false
	}
	d.rest = rest
	return true
}

// Bool reads a bool.
func (d *Decoder) Bool() bool {
	v, rest, err := msgp.ReadBoolBytes(d.rest)
	return d.took(rest, err) && v
}

// failAt sets the error as of a value that has been taken already; before is
// what was left when it began.
func (d *Decoder) failAt(before []byte, err error) {
	if d.err == nil {
		d.rest = before
		d.Fail(err)
	}
}

// Int reads a signed integer of the given number of bits.
func (d *Decoder) Int(bits int) int64 {
	before := d.rest
	v, rest, err := msgp.ReadInt64Bytes(before)
	if !d.took(rest, err) {
		return 0
	}
	if shift := 64 - bits; v<<shift>>shift != v {
		d.failAt(before, fmt.Errorf("%d does not fit into %d bits", v, bits))
		return 0
	}
	return v
}

// Uint reads an unsigned integer of the given number of bits.
func (d *Decoder) Uint(bits int) uint64 {
	before := d.rest
	v, rest, err := msgp.ReadUint64Bytes(before)
	if !d.took(rest, err) {
		return 0
	}
	if shift := 64 - bits; v<<shift>>shift != v {
		d.failAt(before, fmt.Errorf("%d does not fit into %d bits", v, bits))
		return 0
	}
	return v
}

// Float32 reads a float32, or a float64 or integer that it can hold.
func (d *Decoder) Float32() float32 {
	before := d.rest
	v := d.Float64()
	if f := float32(v); math.IsInf(float64(f), 0) && !math.IsInf(v, 0) {
		d.failAt(before, fmt.Errorf("%v does not fit into a float32", v))
		return 0
	}
	return float32(v)
}

// Float64 reads a float of either size, or an integer: other languages write
// whole numbers as integers.
func (d *Decoder) Float64() (v float64) {
	var rest []byte
	var err error
	switch msgp.NextType(d.rest) {
	case msgp.Float32Type:
		var short float32
		short, rest, err = msgp.ReadFloat32Bytes(d.rest)
		v = float64(short)
	case msgp.IntType:
		var whole int64
		whole, rest, err = msgp.ReadInt64Bytes(d.rest)
		v = float64(whole)
	case msgp.UintType:
		var whole uint64
		whole, rest, err = msgp.ReadUint64Bytes(d.rest)
		v = float64(whole)
	default:
		v, rest, err = msgp.ReadFloat64Bytes(d.rest)
	}
	if !d.took(rest, err) {
		return 0
	}
	return v
}

// Complex reads what Encoder.Complex wrote.
func (d *Decoder) Complex() complex128 {
	d.Exactly(2)
	re := d.Float64()
	im := d.Float64()
	d.Leave()
	return complex(re, im)
}

// String reads text.
func (d *Decoder) String() string { return string(d.Name()) }

// Bytes reads binary data or nil.
func (d *Decoder) Bytes() []byte {
	if d.IsNil() {
		return nil
	}
	v := d.view()
	if d.err != nil {
		return nil
	}
	return append(make([]byte, 0, len(v)), v...)
}

// view is the next binary data, where it stands in the input.
func (d *Decoder) view() []byte {
	v, rest, err := msgp.ReadBytesZC(d.rest)
	if !d.took(rest, err) {
		return nil
	}
	return v
}

// BytesInto reads binary data into an array of bytes: what is missing is zero,
// and surplus bytes are skipped.
func (d *Decoder) BytesInto(v []byte) {
	clear(v[copy(v, d.view()):])
}

// Time reads an instant, in UTC.
func (d *Decoder) Time() time.Time {
	if d.err != nil {
		return time.Time{}
	}
	const size = 15
	if len(d.rest) < size || d.rest[0] != 0xc7 || d.rest[1] != 12 || d.rest[2] != 0xff {
		v, rest, err := msgp.ReadTimeBytes(d.rest) // the shorter forms of the timestamp
		if !d.took(rest, err) {
			return time.Time{}
		}
		return v.UTC()
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
	before := d.rest
	if data := d.view(); d.err == nil {
		d.within(before, v, data, v.UnmarshalBinary)
	}
}

// Text gives a type back what it made of itself.
func (d *Decoder) Text(v encoding.TextUnmarshaler) {
	before := d.rest
	if text := d.Name(); d.err == nil {
		d.within(before, v, text, v.UnmarshalText)
	}
}

// within runs code that is not ours on bytes from outside: it gets a copy to
// keep, and when it panics, that is an error of the input.
func (d *Decoder) within(before []byte, v any, data []byte, unmarshal func([]byte) error) {
	defer func() {
		if r := recover(); r != nil {
			d.failAt(before, fmt.Errorf("%T panicked: %v", v, r))
		}
	}()
	if err := unmarshal(append([]byte(nil), data...)); err != nil {
		d.failAt(before, fmt.Errorf("%T: %w", v, err))
	}
}

// ArrayLen begins an array; Leave ends it. The length is checked against what
// the rest of the input can hold.
func (d *Decoder) ArrayLen() int {
	n, rest, err := msgp.ReadArrayHeaderBytes(d.rest)
	return d.enter(n, rest, err, 1)
}

// Exactly begins an array that must have n elements, and reports whether it
// has; Leave ends it.
func (d *Decoder) Exactly(n int) bool {
	before := d.rest
	if got := d.ArrayLen(); got != n && d.err == nil {
		d.failAt(before, fmt.Errorf("an array of %d elements has to have %d", got, n))
	}
	return d.err == nil
}

// MapLen begins a map; Leave ends it.
func (d *Decoder) MapLen() int {
	n, rest, err := msgp.ReadMapHeaderBytes(d.rest)
	return d.enter(n, rest, err, 2)
}

func (d *Decoder) enter(n uint32, rest []byte, err error, bytesEach int) int {
	before := d.rest
	if d.depth++; d.depth > MaxDepth {
		d.Fail(errTooDeep)
	}
	if !d.took(rest, err) {
		return 0
	}
	if int64(n)*int64(bytesEach) > int64(len(rest)) {
		d.failAt(before, fmt.Errorf("%d elements are announced, %d bytes are left", n, len(rest)))
		return 0
	}
	return int(n)
}

// Charge accounts for the memory that n elements of the given size will take.
// It reports false, and fails, where no Encoder can have written the input for
// so much of it.
func (d *Decoder) Charge(n int, size int64) bool {
	if d.budget -= int64(n) * size; d.budget < 0 && d.err == nil {
		d.Fail(fmt.Errorf("%d elements of %d bytes are more than an input of %d bytes can mean", n, size, d.total))
	}
	return d.err == nil
}

// Name reads the name of a struct's field: text that is valid as long as the
// input.
func (d *Decoder) Name() []byte {
	v, rest, err := msgp.ReadStringZC(d.rest)
	if !d.took(rest, err) {
		return nil
	}
	return v
}

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
			d.took(msgp.Skip(d.rest))
		}
	}
}
