package wire_test

import (
	"bytes"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/mallee-io/mallee/wire"
)

func encode(t testing.TB, fn func(e *wire.Encoder)) []byte {
	t.Helper()
	e := wire.NewEncoder(nil)
	fn(&e)
	b, err := e.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestValuesComeBack(t *testing.T) {
	t.Parallel()
	instant := time.Date(2026, 11, 21, 1, 2, 3, 456789, time.FixedZone("", 3600))
	b := encode(t, func(e *wire.Encoder) {
		e.Bool(true)
		e.Int(math.MinInt64)
		e.Uint(math.MaxUint64)
		e.Float32(1.5)
		e.Float64(math.Pi)
		e.Complex(complex(1, -2))
		e.String("héllo\x00")
		e.Bytes(nil)
		e.Bytes([]byte{})
		e.Time(instant)
		e.Time(time.Time{})
	})
	d := wire.NewDecoder(b)
	if !d.Bool() || d.Int(64) != math.MinInt64 || d.Uint(64) != math.MaxUint64 ||
		d.Float32() != 1.5 || d.Float64() != math.Pi || d.Complex() != complex(1, -2) || d.String() != "héllo\x00" {
		t.Error("a value changed")
	}
	if v := d.Bytes(); v != nil {
		t.Error("nil bytes became empty")
	}
	if v := d.Bytes(); v == nil || len(v) != 0 {
		t.Error("empty bytes became nil")
	}
	if v := d.Time(); !v.Equal(instant) || v.Location() != time.UTC {
		t.Errorf("time %v", v)
	}
	if v := d.Time(); !v.IsZero() {
		t.Errorf("zero time became %v", v)
	}
	if err := d.Finish(); err != nil {
		t.Error(err)
	}
}

// The forms of MessagePack's own specification.
func TestBytesOnTheWire(t *testing.T) {
	t.Parallel()
	got := encode(t, func(e *wire.Encoder) {
		e.ArrayLen(2)
		e.String("a")
		e.MapLen(1)
		e.Int(-1)
		e.Time(time.Unix(1, 2))
	})
	want := []byte("\x92\xa1a\x81\xff\xc7\x0c\xff\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x01")
	if !bytes.Equal(got, want) {
		t.Errorf("got  %x\nwant %x", got, want)
	}
}

// fragile is code of an application that some input brings down.
type fragile struct{}

func (fragile) UnmarshalText([]byte) error { panic("a bug") }

// What others write: they choose among the specification's forms of a value.
func TestFormsOfOtherImplementations(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		in   string
		read func(d *wire.Decoder) any
		want any
	}{
		"int as uint8":       {"\xcc\x05", func(d *wire.Decoder) any { return d.Int(64) }, int64(5)},
		"int as uint64":      {"\xcf\x00\x00\x00\x00\x00\x00\x00\x05", func(d *wire.Decoder) any { return d.Int(8) }, int64(5)},
		"uint as int64":      {"\xd3\x00\x00\x00\x00\x00\x00\x00\x05", func(d *wire.Decoder) any { return d.Uint(8) }, uint64(5)},
		"int32":              {"\xd2\xff\xff\xff\xfe", func(d *wire.Decoder) any { return d.Int(8) }, int64(-2)},
		"float64 as float32": {"\xca\x3f\xc0\x00\x00", func(d *wire.Decoder) any { return d.Float64() }, 1.5},
		"float64 as int":     {"\x07", func(d *wire.Decoder) any { return d.Float64() }, 7.0},
		"float32 as float64": {"\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00", func(d *wire.Decoder) any { return d.Float32() }, float32(1.5)},
		"str8":               {"\xd9\x01a", func(d *wire.Decoder) any { return d.String() }, "a"},
		"str16":              {"\xda\x00\x01a", func(d *wire.Decoder) any { return d.String() }, "a"},
		"str32":              {"\xdb\x00\x00\x00\x01a", func(d *wire.Decoder) any { return d.String() }, "a"},
		"array16":            {"\xdc\x00\x01\xc0", func(d *wire.Decoder) any { n := d.ArrayLen(); d.Skip(n); return n }, 1},
		"map32":              {"\xdf\x00\x00\x00\x01\xc0\xc0", func(d *wire.Decoder) any { n := d.MapLen(); d.Skip(2 * n); return n }, 1},
		"timestamp 32":       {"\xd6\xff\x00\x00\x00\x01", func(d *wire.Decoder) any { return d.Time() }, time.Unix(1, 0).UTC()},
		"timestamp 64":       {"\xd7\xff\x00\x00\x00\x08\x00\x00\x00\x01", func(d *wire.Decoder) any { return d.Time() }, time.Unix(1, 2).UTC()},
		"any extension":      {"\xd4\x11\x00\x05", func(d *wire.Decoder) any { d.Skip(1); return d.Int(64) }, int64(5)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := wire.NewDecoder([]byte(c.in))
			if got := c.read(&d); got != c.want || d.Finish() != nil {
				t.Errorf("got %v, %v; want %v", got, d.Finish(), c.want)
			}
		})
	}
}

func TestArraysOfBytes(t *testing.T) {
	t.Parallel()
	for in, want := range map[string][4]byte{"": {}, "ab": {'a', 'b'}, "abcdef": {'a', 'b', 'c', 'd'}} {
		d := wire.NewDecoder(encode(t, func(e *wire.Encoder) { e.Bytes([]byte(in)) }))
		got := [4]byte{9, 9, 9, 9}
		if d.BytesInto(got[:]); got != want || d.Finish() != nil {
			t.Errorf("%q became %q, %v", in, got, d.Finish())
		}
	}
}

// A time on one node is what it would be on another one.
func TestInstant(t *testing.T) {
	t.Parallel()
	for _, sent := range []time.Time{{}, time.Now(), time.Date(2026, 1, 2, 3, 4, 5, 6, time.FixedZone("", 3600))} {
		d := wire.NewDecoder(encode(t, func(e *wire.Encoder) { e.Time(sent) }))
		if got := d.Time(); got != wire.Instant(sent) {
			t.Errorf("decoded %#v, copied %#v", got, wire.Instant(sent))
		}
	}
}

func TestErrorsSayWhereAndWhat(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		in   string
		read func(d *wire.Decoder)
		want string
	}{
		"short":            {"\xa5ab", func(d *wire.Decoder) { _ = d.String() }, "at byte 0 of 3"},
		"overflow":         {"\xcd\x01\x00", func(d *wire.Decoder) { d.Int(8) }, "at byte 0 of 3: 256 does not fit into 8 bits"},
		"int overflow":     {"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", func(d *wire.Decoder) { d.Int(64) }, "at byte 0 of 9"},
		"negative":         {"\xff", func(d *wire.Decoder) { d.Uint(64) }, "at byte 0"},
		"float as int":     {"\xca\x00\x00\x00\x00", func(d *wire.Decoder) { d.Int(64) }, "at byte 0"},
		"nil as text":      {"\xc0", func(d *wire.Decoder) { _ = d.String() }, "at byte 0"},
		"one part":         {"\x91\x01", func(d *wire.Decoder) { d.Complex() }, "an array of 1 elements has to have 2"},
		"nanoseconds":      {"\xd7\xff\xff\xff\xff\xfd\x00\x00\x00\x01", func(d *wire.Decoder) { d.Time() }, "at byte 0 of 10"},
		"nanoseconds 96":   {"\xc7\x0c\xff\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x01", func(d *wire.Decoder) { d.Time() }, "4294967295 nanoseconds"},
		"unmarshal fails":  {"\x01\xa1x", func(d *wire.Decoder) { d.Int(8); d.Text(&netip.Addr{}) }, "at byte 1 of 3: *netip.Addr"},
		"unmarshal panics": {"\xa1x", func(d *wire.Decoder) { d.Text(fragile{}) }, "at byte 0 of 2: wire_test.fragile panicked: a bug"},
		"charged":          {"\x91\xc0", func(d *wire.Decoder) { d.Charge(d.ArrayLen(), 2<<20) }, "more than an input of 2 bytes can mean"},
		"array too long":   {"\xdd\xff\xff\xff\xff", func(d *wire.Decoder) { d.ArrayLen() }, "at byte 0 of 5: 4294967295 elements are announced, 0 bytes are left"},
		"map too long":     {"\x81\x01", func(d *wire.Decoder) { d.MapLen() }, "1 elements are announced"},
		"too deep":         {strings.Repeat("\x91", 2000) + "\x01", func(d *wire.Decoder) { d.Skip(1) }, "nested more than 1000 deep"},
		"left over":        {"\x01\x02", func(d *wire.Decoder) { d.Int(64) }, "1 bytes are left over"},
		"float32 overflow": {"\xcb\x7f\xe0\x00\x00\x00\x00\x00\x00", func(d *wire.Decoder) { d.Float32() }, "does not fit into a float32"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := wire.NewDecoder([]byte(c.in))
			c.read(&d)
			if err := d.Finish(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

// A decoder is a value on the stack: every remote call makes two.
func TestDecoderDoesNotEscape(t *testing.T) {
	in := encode(t, func(e *wire.Encoder) {
		e.ArrayLen(4)
		e.String("a")
		e.Int(1)
		e.Float64(2)
		e.Time(time.Unix(1, 2))
	})
	allocated := testing.AllocsPerRun(100, func() {
		d := wire.NewDecoder(in)
		d.ArrayLen()
		if d.String() != "a" || d.Int(8) != 1 || d.Float64() != 2 || d.Time().IsZero() || d.Finish() != nil {
			t.Error("a value changed")
		}
	})
	if allocated != 0 {
		t.Errorf("%v allocations", allocated)
	}
}

func FuzzDecoder(f *testing.F) {
	f.Add([]byte("\x92\xa1a\x81\xff\xc7\x0c\xff\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x01"), []byte{0, 1, 2, 3})
	f.Fuzz(func(t *testing.T, in, script []byte) {
		d := wire.NewDecoder(in)
		for _, step := range script {
			switch step % 16 {
			case 0:
				d.Bool()
			case 1:
				d.Int(int(step%8+1) * 8)
			case 2:
				d.Uint(32)
			case 3:
				d.Float32()
			case 4:
				d.Float64()
			case 5:
				d.Complex()
			case 6:
				if s := d.String(); len(s) > len(in) {
					t.Fatal("a string is longer than the input")
				}
			case 7:
				d.Bytes()
			case 8:
				d.Time()
			case 9:
				if n := d.ArrayLen(); n > len(in) {
					t.Fatal("an array is longer than the input")
				}
				d.Leave()
			case 10:
				d.MapLen()
			case 11:
				d.IsNil()
			case 12:
				d.Skip(1)
			case 13:
				d.Exactly(int(step / 16))
			case 14:
				d.BytesInto(make([]byte, step))
			case 15:
				d.Text(&netip.Addr{})
			}
		}
		_ = d.Finish()
	})
}

func BenchmarkDecodeArguments(b *testing.B) {
	in := encode(b, func(e *wire.Encoder) {
		e.ArrayLen(3)
		e.String("sword")
		e.Int(1000)
		e.Float64(0.5)
	})
	b.ReportAllocs()
	for b.Loop() {
		d := wire.NewDecoder(in)
		d.ArrayLen()
		_, _, _ = d.String(), d.Int(32), d.Float64()
		if err := d.Finish(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEncodeArguments(b *testing.B) {
	buffer := make([]byte, 0, 64)
	b.ReportAllocs()
	for b.Loop() {
		e := wire.NewEncoder(buffer)
		e.ArrayLen(3)
		e.String("sword")
		e.Int(1000)
		e.Float64(0.5)
		if _, err := e.Finish(); err != nil {
			b.Fatal(err)
		}
	}
}
