package pickle_test

import (
	"bytes"
	"math"
	"math/big"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/mallee-io/mallee/wire/pickle"
)

// Per byte of input, and at all: an empty list is one byte, and in Go a value
// on a growing stack and in a growing list, with a place for what it holds.
const (
	allocPerByte = 192
	allocAtAll   = 16 << 10
)

func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func FuzzParse(f *testing.F) {
	for _, v := range vectors {
		f.Add(unhex(f, v.hex))
	}
	f.Add([]byte("](]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]e."))
	f.Add([]byte("}(}\x94h\x00)h\x00h\x00u."))
	f.Add([]byte("\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x80\x00."))
	f.Add([]byte("cos\nsystem\n(S'id'\ntR."))
	f.Fuzz(func(t *testing.T, b []byte) {
		var v any
		var err error
		if n := allocated(func() { v, err = pickle.Parse(b) }); n > uint64(allocPerByte*len(b)+allocAtAll) {
			t.Errorf("%d bytes for %d of input", n, len(b))
		}
		if err != nil {
			return
		}
		once, err := pickle.Append(nil, v)
		if err != nil {
			t.Fatalf("%#v was read, and cannot be written: %v", v, err)
		}
		again, err := pickle.Parse(once)
		if err != nil {
			t.Fatalf("%x was written, and cannot be read: %v", once, err)
		}
		if twice, err := pickle.Append(nil, again); err != nil || !bytes.Equal(once, twice) {
			t.Errorf("%#v became %#v, %v", v, again, err)
		}
	})
}

// The worst inputs that are known, at a length where constants do not matter.
func TestMemoryIsBounded(t *testing.T) {
	const n = 100_000
	for _, v := range []struct{ begin, repeat, end string }{
		{"](", "]", "e."},
		{"](", "}", "e."},
		{"](", ")", "e."},
		{"](", ")\x85", "e."},
		{"](", "]Na", "e."},
		{"](", "}NNs", "e."},
		{"(]\x94", "h\x00", "t."},
		{"N", "\x94", "."},
		{"](", "\x8c\x00", "e."},
		{"](", "\x8a\x01\xff", "e."},
		{"}", "NNs", "."},
	} {
		in := []byte(v.begin + strings.Repeat(v.repeat, n) + v.end)
		var err error
		size := allocated(func() { _, err = pickle.Parse(in) })
		if err != nil || size > uint64(allocPerByte*len(in)) {
			t.Errorf("%q: %d bytes for each of %d, %v", v.repeat, size/uint64(len(in)), len(in), err)
		}
		if testing.Verbose() {
			t.Logf("%q: %d bytes for each", v.repeat, size/uint64(len(in)))
		}
	}
}

func texts() *rapid.Generator[string] {
	return rapid.OneOf(rapid.String(), rapid.Just("\xed\xa0\x80\xed\xbf\xbf"), rapid.Just(strings.Repeat("é", 200)), rapid.Just(strings.Repeat("x", 70_000)))
}

func ints() *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		v := new(big.Int).SetBytes(rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "digits"))
		if rapid.Bool().Draw(t, "negative") {
			v.Neg(v)
		}
		if v.IsInt64() {
			return v.Int64()
		}
		return v
	})
}

func scalars() *rapid.Generator[any] {
	return rapid.OneOf(
		rapid.Just[any](nil),
		rapid.Bool().AsAny(),
		rapid.Int64().AsAny(),
		rapid.SampledFrom([]int64{0, 255, 256, 65535, 65536, math.MaxInt32, math.MaxInt32 + 1, math.MinInt32, math.MinInt32 - 1, math.MaxInt64, math.MinInt64}).AsAny(),
		ints(),
		rapid.Float64().AsAny(),
		texts().AsAny(),
		rapid.SliceOfN(rapid.Byte(), 0, 300).AsAny(),
	)
}

func values(depth int) *rapid.Generator[any] {
	if depth == 0 {
		return scalars()
	}
	inner := rapid.Deferred(func() *rapid.Generator[any] { return values(depth - 1) })
	key := rapid.OneOf(scalars(), rapid.Custom(func(t *rapid.T) any {
		return pickle.Tuple(rapid.SliceOfN(scalars(), 0, 5).Draw(t, "key"))
	}))
	return rapid.OneOf(
		scalars(),
		rapid.SliceOfN(inner, 0, 5).AsAny(),
		rapid.Custom(func(t *rapid.T) any { return pickle.Tuple(rapid.SliceOfN(inner, 0, 5).Draw(t, "tuple")) }),
		rapid.Custom(func(t *rapid.T) any {
			return pickle.Dict(rapid.SliceOfN(rapid.Custom(func(t *rapid.T) pickle.Pair {
				return pickle.Pair{Key: key.Draw(t, "key"), Value: inner.Draw(t, "value")}
			}), 0, 5).Draw(t, "dict"))
		}),
		rapid.Custom(func(t *rapid.T) any { // across batches
			return make([]any, rapid.IntRange(998, 2002).Draw(t, "nils"))
		}),
	)
}

func TestRoundTrips(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v := values(3).Draw(t, "value")
		b, err := pickle.Append(nil, v)
		if err != nil {
			t.Fatal(err)
		}
		back, err := pickle.Parse(b)
		if err != nil {
			t.Fatalf("%x: %v", b, err)
		}
		if !reflect.DeepEqual(back, v) {
			t.Fatalf("%#v became %#v", v, back)
		}
	})
}
