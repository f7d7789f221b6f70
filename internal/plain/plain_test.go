package plain_test

import (
	"math"
	"math/big"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/plain"
	"github.com/mallee-io/mallee/wire/pickle"
)

type inner struct {
	Note  string `json:"note"`
	Count int8   `json:",omitempty"`
}

type Base struct{ Serial uint64 }

type everything struct {
	Base
	Flag   bool
	Small  int8
	Word   int
	Big    uint64
	Single float32
	Double float64
	Text   string
	Bytes  []byte
	Digest [4]byte
	List   []int16
	Pair   [2]string
	Map    map[string]inner
	ByInt  map[int32]bool
	Inner  inner `json:"in_ner"`
	None   *inner
	Some   *inner
	Took   time.Duration
	At     time.Time
	From   netip.Addr
	Who    mallee.ID
	Gone   string `json:"-"`
}

func sample() everything {
	return everything{
		Base: Base{math.MaxUint64}, Flag: true, Small: -128, Word: -1 << 40, Big: 1 << 63, Single: 1.5, Double: -0.1, Text: "é",
		Bytes: []byte{0, 255}, Digest: [4]byte{1, 2, 3, 4}, List: []int16{-3, 300}, Pair: [2]string{"a", "b"},
		Map: map[string]inner{"x": {"n", 1}, "w": {}}, ByInt: map[int32]bool{-7: true}, Inner: inner{Note: "i"}, Some: &inner{"s", 2},
		Took: time.Minute, At: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), From: netip.MustParseAddr("10.0.0.1"), Who: mallee.ID{Type: "T", Key: "k"},
	}
}

// through is a value after a journey as a pickle.
func through(t rapid.TB, v any) any {
	t.Helper()
	plainly, err := plain.Encode(v)
	if err != nil {
		t.Fatalf("encode %+v: %v", v, err)
	}
	b, err := pickle.Append(nil, plainly)
	if err != nil {
		t.Fatal(err)
	}
	if plainly, err = pickle.Parse(b); err != nil {
		t.Fatal(err)
	}
	into := reflect.New(reflect.TypeOf(v))
	if err := plain.Decode(plainly, into.Interface()); err != nil {
		t.Fatalf("decode %+v: %v", plainly, err)
	}
	return into.Elem().Interface()
}

func TestEverythingComesBack(t *testing.T) {
	t.Parallel()
	want := sample()
	if got := through(t, want); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v became\n%+v", want, got)
	}
}

func TestSpelling(t *testing.T) {
	t.Parallel()
	got, err := plain.Encode(map[string]any{}["nil"])
	if got != nil || err != nil {
		t.Errorf("nil: %v, %v", got, err)
	}
	got, err = plain.Encode(struct {
		Base
		In  inner `json:"in"`
		Big uint64
		M   map[string]int
		S   []string
	}{Big: 1 << 63, M: map[string]int{"b": 2, "a": 1}})
	want := pickle.Dict{
		{Key: "Serial", Value: int64(0)},
		{Key: "in", Value: pickle.Dict{{Key: "note", Value: ""}, {Key: "Count", Value: int64(0)}}},
		{Key: "Big", Value: new(big.Int).Lsh(big.NewInt(1), 63)},
		{Key: "M", Value: pickle.Dict{{Key: "a", Value: int64(1)}, {Key: "b", Value: int64(2)}}},
		{Key: "S", Value: []any{}},
	}
	if err != nil || !reflect.DeepEqual(got, any(want)) {
		t.Errorf("%#v, %v", got, err)
	}
}

func TestWhatFits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ from, want any }{
		{int64(3), 3.0},
		{int64(1 << 53), float64(1 << 53)},
		{pickle.Tuple{int64(1), int64(2)}, []int{1, 2}},
		{[]any{}, []string{}},
		{nil, []string(nil)},
		{nil, map[string]int(nil)},
		{nil, (*int)(nil)},
		{nil, []byte(nil)},
		{math.Inf(1), float32(math.Inf(1))},
		{new(big.Int).SetUint64(math.MaxUint64), uint64(math.MaxUint64)},
		{pickle.Dict{{Key: "a", Value: int64(1)}, {Key: "a", Value: int64(2)}}, map[string]int{"a": 2}},
		{pickle.Dict{{Key: "note", Value: "x"}}, inner{Note: "x"}},
	} {
		into := reflect.New(reflect.TypeOf(c.want))
		if err := plain.Decode(c.from, into.Interface()); err != nil || !reflect.DeepEqual(into.Elem().Interface(), c.want) {
			t.Errorf("%#v became %#v, %v", c.from, into.Elem(), err)
		}
	}
}

func TestWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	huge := new(big.Int).Lsh(big.NewInt(1), 70)
	for _, c := range []struct {
		from, into any
		want       string
	}{
		{int64(128), new(int8), "an int of 8 bits is out of the range of int8"},
		{int64(-1), new(uint), "out of the range of uint"},
		{huge, new(int64), "an int of 71 bits is out of the range of int64"},
		{huge, new(uint64), "out of the range"},
		{huge, new(float64), "not exact"},
		{int64(1<<53 + 1), new(float64), "not exact"},
		{1e39, new(float32), "out of the range of float32"},
		{true, new(int), "expected int for int, got bool"},
		{int64(1), new(bool), "expected bool for bool, got int"},
		{1.0, new(int), "expected int for int, got float"},
		{nil, new(int), "expected int for int, got None"},
		{nil, new(string), "expected str for string, got None"},
		{nil, new(inner), "expected dict for plain_test.inner, got None"},
		{"x", new([]byte), "expected bytes for []uint8, got str"},
		{[]byte("x"), new(string), "expected str for string, got bytes"},
		{"\xed\xa0\x80", new(string), "lone surrogates"},
		{[]byte("xyz"), new([2]byte), "expected 2 bytes"},
		{[]any{nil}, new([2]int), "expected 2 items"},
		{pickle.Dict{}, new([]int), "expected list for []int, got dict"},
		{[]any{int64(1), "x"}, new([]int), "item 1: expected int for int, got str"},
		{pickle.Dict{{Key: int64(1)}}, new(map[string]int), "a key: expected str"},
		{pickle.Dict{{Key: "k", Value: "v"}}, new(map[string]int), "key k: expected int"},
		{pickle.Dict{}, new(inner), "field note is missing"},
		{pickle.Dict{{Key: "note", Value: ""}, {Key: "count", Value: int64(1)}}, new(inner), `has no field "count"`},
		{pickle.Dict{{Key: "note", Value: int64(1)}}, new(inner), "field note: expected str"},
		{pickle.Dict{{Key: []byte("note"), Value: ""}}, new(inner), "as the key of a field, got bytes"},
		{"yesterday", new(time.Time), "cannot parse"},
		{int64(1), new(mallee.ID), "expected str for mallee.ID, got int"},
		{"x", new(any), "interface {} has no plain form"},
		{pickle.Dict{}, new(struct{ a int }), "not exported"},
		{int64(1), 1, "pointer"},
	} {
		if err := plain.Decode(c.from, c.into); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%#v into %T: %v, want %q", c.from, c.into, err, c.want)
		}
	}
	for _, c := range []struct {
		from any
		want string
	}{
		{make(chan int), "chan int has no plain form"},
		{"\xff", "not valid UTF-8"},
		{struct{ F func() }{}, "field F: a value of type func() has no plain form"},
		{struct {
			A int
			B int `json:"A"`
		}{}, "two fields named A"},
	} {
		if _, err := plain.Encode(c.from); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%T: %v, want %q", c.from, err, c.want)
		}
	}
}

type node struct{ Next *node }

func TestDepth(t *testing.T) {
	t.Parallel()
	ring := &node{}
	ring.Next = ring
	if _, err := plain.Encode(ring); err == nil {
		t.Error("a ring is encoded")
	}
}

// One value that is mentioned many times needs memory many times.
func TestRoom(t *testing.T) {
	t.Parallel()
	row := make([]any, 1000)
	for i := range row {
		row[i] = pickle.Dict{}
	}
	table := make([]any, 1000)
	for i := range table {
		table[i] = row
	}
	var into [][]struct {
		Wide [128]int `json:",omitempty"`
	}
	if err := plain.Decode(table, &into); err == nil || !strings.Contains(err.Error(), "bytes") {
		t.Errorf("a gigabyte from a small pickle: %v", err)
	}
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := everything{
			Base: Base{rapid.Uint64().Draw(t, "serial")}, Flag: rapid.Bool().Draw(t, "flag"), Small: rapid.Int8().Draw(t, "small"),
			Word: rapid.Int().Draw(t, "word"), Big: rapid.Uint64().Draw(t, "big"), Single: rapid.Float32().Draw(t, "single"),
			Double: rapid.Float64().Draw(t, "double"), Text: rapid.String().Draw(t, "text"), Bytes: rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"),
			List: rapid.SliceOf(rapid.Int16()).Draw(t, "list"), Pair: [2]string{rapid.String().Draw(t, "pair"), ""},
			Map:   map[string]inner{},
			ByInt: rapid.MapOf(rapid.Int32(), rapid.Bool()).Draw(t, "by int"),
			Took:  time.Duration(rapid.Int64().Draw(t, "took")),
			Who:   mallee.ID{Type: "T", Key: rapid.StringN(1, 20, 80).Draw(t, "key")},
		}
		for _, name := range rapid.SliceOf(rapid.String()).Draw(t, "names") {
			want.Map[name] = inner{name, rapid.Int8().Draw(t, "count")}
		}
		if rapid.Bool().Draw(t, "some") {
			want.Some = &inner{Note: "x"}
		}
		if got := through(t, want); !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v became\n%+v", want, got)
		}
	})
}

// Whatever a host sends, it is a value or an error; and a value is the same
// after another journey.
func FuzzDecode(f *testing.F) {
	for _, v := range []any{sample(), everything{}, inner{Note: "x"}} {
		plainly, err := plain.Encode(v)
		if err != nil {
			f.Fatal(err)
		}
		b, err := pickle.Append(nil, plainly)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := pickle.Parse(b)
		if err != nil {
			return
		}
		for _, into := range []any{new(everything), new(inner), new([]inner), new(map[string][]int), new(map[int]*string), new([][]byte), new(float32)} {
			if plain.Decode(v, into) != nil {
				continue
			}
			if _, err := plain.Encode(reflect.ValueOf(into).Elem().Interface()); err != nil {
				t.Errorf("%+v is decoded and not encoded: %v", into, err)
			}
		}
	})
}
