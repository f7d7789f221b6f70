package wire_test

import (
	"bytes"
	"math"
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

func TestErrorsSayWhereAndWhat(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		in   string
		read func(d *wire.Decoder)
		want string
	}{
		"short":            {"\xa5ab", func(d *wire.Decoder) { _ = d.String() }, "at byte 0 of 3"},
		"overflow":         {"\xcd\x01\x00", func(d *wire.Decoder) { d.Int(8) }, "256 does not fit into 8 bits"},
		"negative":         {"\xff", func(d *wire.Decoder) { d.Uint(64) }, "at byte 0"},
		"array too long":   {"\xdd\xff\xff\xff\xff", func(d *wire.Decoder) { d.ArrayLen() }, "4294967295 elements are announced, 0 bytes are left"},
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

func FuzzDecoder(f *testing.F) {
	f.Add([]byte("\x92\xa1a\x81\xff\xc7\x0c\xff\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x01"), []byte{0, 1, 2, 3})
	f.Fuzz(func(t *testing.T, in, script []byte) {
		d := wire.NewDecoder(in)
		for _, step := range script {
			switch step % 13 {
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
			}
		}
		_ = d.Finish()
	})
}
