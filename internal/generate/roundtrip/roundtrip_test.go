package roundtrip_test

import (
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/generate/roundtrip"
	"github.com/mallee-io/mallee/internal/generate/roundtrip/other"
	"github.com/mallee-io/mallee/wire"
)

// newCall makes an empty call of Everything.
func newCall(t testing.TB, method string) mallee.Call {
	t.Helper()
	for _, m := range roundtrip.EverythingInterface().Methods {
		if m.Name == method {
			return m.New()
		}
	}
	t.Fatalf("Everything has no method %s", method)
	return nil
}

// set puts a value into the argument V of a call.
func set(c mallee.Call, v any) {
	reflect.ValueOf(c.Args()).Elem().FieldByName("V").Set(reflect.ValueOf(v))
}

func get(c mallee.Call) any {
	return reflect.ValueOf(c.Args()).Elem().FieldByName("V").Interface()
}

func pointer[T any](v T) *T { return &v }

func basics() roundtrip.Basics {
	return roundtrip.Basics{
		Bool: true, Int: math.MinInt, Int8: -128, Int16: -32768, Int32: math.MinInt32, Int64: math.MinInt64,
		Uint: math.MaxUint, Uint8: 255, Uint16: 65535, Uint32: math.MaxUint32, Uint64: math.MaxUint64,
		Float32: math.MaxFloat32, Float64: math.SmallestNonzeroFloat64, C64: complex(1, 2), C128: complex(-3, 4),
		String: "h\x00é\xff", Rune: '木', Level: 7, Renamed: "x",
	}
}

func composites() roundtrip.Composites {
	leaf := &roundtrip.Node{Value: "leaf"}
	return roundtrip.Composites{
		Item:  other.Item{Name: "sword", Tags: []string{"sharp", ""}},
		Bytes: []byte{0, 1}, Named: roundtrip.Blob{2}, Slice: []int{1, -1}, Nested: [][]string{nil, {}, {"a"}},
		Array: [3]int16{1, 2, 3}, Map: map[string]int{"": 1, "a": 2}, ByInt: map[int]other.Item{-1: {Name: "x"}},
		ByArray: map[[2]int]bool{{1, 2}: true}, Pointer: pointer(1), ToPointer: pointer(pointer(2)),
		ToSlice: pointer([]int(nil)), ToMap: pointer(map[string]int{}), PtrToBytes: pointer([]byte(nil)),
		Tree:   &roundtrip.Node{Value: "root", Next: leaf, Children: []roundtrip.Node{{Value: "c"}}, Index: map[string]*roundtrip.Node{"l": leaf, "nil": nil}},
		Forest: roundtrip.Forest{"a": {"b": nil, "c": {}}}, Pair: other.Pair[string, []int]{First: "f", Second: []int{1}},
		Inline: struct{ A, B int }{1, 2},
	}
}

func special(t testing.TB) roundtrip.Special {
	t.Helper()
	link, err := url.Parse("https://u:p@example.org/a?b=c#d")
	if err != nil {
		t.Fatal(err)
	}
	addr := netip.MustParseAddr("fe80::1%eth0")
	return roundtrip.Special{
		Time: time.Date(2026, 11, 21, 6, 0, 0, 123, time.UTC), Duration: time.Minute, Actor: mallee.ID{Type: "Player", Key: "a/b"},
		Addr: addr, URL: *link, URLs: []*url.URL{link, nil}, Big: *big.NewInt(-5), BigPtr: new(big.Int).Lsh(big.NewInt(1), 100),
		Proto: structpb.NewStringValue("p"), Protos: []*structpb.Struct{{}, nil}, ToProto: pointer(structpb.NewBoolValue(true)),
		ByAddr: map[netip.Addr]time.Time{addr: time.Unix(0, 1).UTC()},
	}
}

// same compares like reflect.DeepEqual, but protobuf messages by their content.
func same(a, b any) bool {
	x, ok := a.(roundtrip.Special)
	if !ok {
		return reflect.DeepEqual(a, b)
	}
	y := b.(roundtrip.Special)
	if !proto.Equal(x.Proto, y.Proto) || len(x.Protos) != len(y.Protos) || (x.ToProto == nil) != (y.ToProto == nil) {
		return false
	}
	for i := range x.Protos {
		if !proto.Equal(x.Protos[i], y.Protos[i]) || (x.Protos[i] == nil) != (y.Protos[i] == nil) {
			return false
		}
	}
	if x.ToProto != nil && !proto.Equal(*x.ToProto, *y.ToProto) {
		return false
	}
	x.Proto, x.Protos, x.ToProto, y.Proto, y.Protos, y.ToProto = nil, nil, nil, nil, nil, nil
	return reflect.DeepEqual(x, y)
}

func values(t testing.TB) map[string][]any {
	return map[string][]any{
		"Basics":     {roundtrip.Basics{}, basics()},
		"Composites": {roundtrip.Composites{}, composites()},
		"Special":    {special(t)},
	}
}

func TestValuesComeBack(t *testing.T) {
	t.Parallel()
	for method, list := range values(t) {
		for i, want := range list {
			sent, received := newCall(t, method), newCall(t, method)
			set(sent, want)
			b, err := sent.AppendArgs(nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := received.DecodeArgs(b); err != nil {
				t.Fatal(err)
			}
			if got := get(received); !same(want, got) {
				t.Errorf("%s %d: sent\n%+v\nreceived\n%+v", method, i, want, got)
			}
		}
	}
}

func TestCopiesAreEqualAndShareNothing(t *testing.T) {
	t.Parallel()
	for method, list := range values(t) {
		for i, want := range list {
			c := newCall(t, method)
			set(c, want)
			if err := c.CopyArgs(); err != nil {
				t.Fatal(err)
			}
			got := get(c)
			if !same(want, got) {
				t.Errorf("%s %d: copied\n%+v\ninto\n%+v", method, i, want, got)
			}
			if shared := sharedMemory(reflect.ValueOf(want), reflect.ValueOf(got), method); shared != "" {
				t.Errorf("%s is shared", shared)
			}
		}
	}
}

// sharedMemory finds a pointer, slice or map that two values have in common.
func sharedMemory(a, b reflect.Value, path string) string {
	switch a.Kind() {
	case reflect.Pointer, reflect.Map:
		if !a.IsNil() && a.Pointer() == b.Pointer() {
			return path
		}
	case reflect.Slice:
		if a.Len() > 0 && a.Pointer() == b.Pointer() {
			return path
		}
	}
	switch a.Kind() {
	case reflect.Pointer:
		if !a.IsNil() {
			return sharedMemory(a.Elem(), b.Elem(), "*"+path)
		}
	case reflect.Struct:
		switch a.Type().PkgPath() { // immutable, or with caches of their own
		case "time", "net/netip", "google.golang.org/protobuf/types/known/structpb":
			return ""
		}
		for i := range a.NumField() {
			if shared := sharedMemory(a.Field(i), b.Field(i), path+"."+a.Type().Field(i).Name); shared != "" {
				return shared
			}
		}
	case reflect.Slice, reflect.Array:
		for i := range a.Len() {
			if shared := sharedMemory(a.Index(i), b.Index(i), fmt.Sprint(path, "[", i, "]")); shared != "" {
				return shared
			}
		}
	case reflect.Map:
		for _, key := range a.MapKeys() {
			if shared := sharedMemory(a.MapIndex(key), b.MapIndex(key), fmt.Sprint(path, "[", key, "]")); shared != "" {
				return shared
			}
		}
	}
	return ""
}

func TestSkippedFieldsStayAndSharedOnesAreShared(t *testing.T) {
	t.Parallel()
	c := newCall(t, "Basics")
	set(c, roundtrip.Basics{Skipped: func() {}})
	if err := c.CopyArgs(); err != nil {
		t.Fatal(err)
	}
	if get(c).(roundtrip.Basics).Skipped != nil {
		t.Error("a field that does not travel was copied: calls on one node would differ from others")
	}
	data := []byte{1}
	share := newCall(t, "Share")
	field := reflect.ValueOf(share.Args()).Elem().FieldByName("Data")
	field.SetBytes(data)
	if err := share.CopyArgs(); err != nil || &field.Bytes()[0] != &data[0] {
		t.Errorf("//mallee:immutable copied: %v", err)
	}
}

// A value that contains itself would be copied and encoded without an end.
func TestValuesThatContainThemselvesAreRefused(t *testing.T) {
	t.Parallel()
	ring := &roundtrip.Node{}
	ring.Next = ring
	c := newCall(t, "Composites")
	set(c, roundtrip.Composites{Tree: ring})
	if _, err := c.AppendArgs(nil); err == nil || !strings.Contains(err.Error(), "contain themselves") {
		t.Errorf("encode: %v", err)
	}
	if err := c.CopyArgs(); err == nil || !strings.Contains(err.Error(), "contain themselves") {
		t.Errorf("copy: %v", err)
	}
}

// Versions of a program differ while it is upgraded: a method or struct may
// have grown on either side.
func TestArgumentsAndFieldsMayGrow(t *testing.T) {
	t.Parallel()
	args := func(fn func(e *wire.Encoder)) []byte {
		e := wire.NewEncoder(nil)
		fn(&e)
		b, err := e.Finish()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	c := newCall(t, "Many")
	if err := c.DecodeArgs(args(func(e *wire.Encoder) { e.ArrayLen(1); e.Int(7) })); err != nil {
		t.Errorf("fewer arguments: %v", err)
	}
	if a := reflect.ValueOf(c.Args()).Elem(); a.FieldByName("A").Int() != 7 {
		t.Error("the argument that came was lost")
	}
	if err := c.DecodeArgs(args(func(e *wire.Encoder) {
		e.ArrayLen(5)
		e.Int(7)
		e.String("")
		e.ArrayLen(1)
		e.MapLen(2) // an Item with an unknown field and without Tags
		e.String("Weight")
		e.ArrayLen(1)
		e.Int(1)
		e.String("Name")
		e.String("sword")
		e.Nil()
		e.MapLen(1) // an unknown fifth argument
		e.Nil()
		e.Bool(true)
	})); err != nil {
		t.Fatalf("more arguments: %v", err)
	}
	items := reflect.ValueOf(c.Args()).Elem().FieldByName("Items").Interface().([]other.Item)
	if len(items) != 1 || items[0].Name != "sword" {
		t.Errorf("items %+v", items)
	}
}

// A few bytes must not make the decoder allocate gigabytes.
func TestAnnouncedSizesAreBounded(t *testing.T) {
	t.Parallel()
	bomb := append([]byte{0x91, 0x81, 0xa4, 'T', 'r', 'e', 'e', 0x81, 0xa8}, "Children\xdd\x00\x80\x00\x00"...)
	bomb = append(bomb, make([]byte, 1<<23)...)
	for i := range bomb[len(bomb)-1<<23:] {
		bomb[len(bomb)-1<<23+i] = 0x80
	}
	err := newCall(t, "Composites").DecodeArgs(bomb)
	if err == nil || !strings.Contains(err.Error(), "can mean") {
		t.Errorf("got %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	methods := []string{"Basics", "Composites", "Special", "Many", "Variadic", "Anonymous", "Inherited"}
	for method, list := range values(f) {
		for _, v := range list {
			c := newCall(f, method)
			set(c, v)
			b, err := c.AppendArgs(nil)
			if err != nil {
				f.Fatal(err)
			}
			for i, name := range methods {
				if name == method {
					f.Add(i, b)
				}
			}
		}
	}
	f.Fuzz(func(t *testing.T, which int, b []byte) {
		method := methods[uint(which)%uint(len(methods))]
		first := newCall(t, method)
		if first.DecodeArgs(b) != nil {
			return
		}
		// Whatever can be read can be written and read again, and says the same.
		again, err := first.AppendArgs(nil)
		if err != nil {
			t.Fatalf("%s: decoded but not encoded: %v", method, err)
		}
		second := newCall(t, method)
		if err := second.DecodeArgs(again); err != nil {
			t.Fatalf("%s: encoded but not decoded: %v", method, err)
		}
		if method == "Special" || strings.Contains(fmt.Sprintf("%v", first.Args()), "NaN") {
			return
		}
		if !reflect.DeepEqual(first.Args(), second.Args()) {
			t.Fatalf("%s: %+v became %+v", method, first.Args(), second.Args())
		}
		if first.CopyArgs() != nil || !reflect.DeepEqual(first.Args(), second.Args()) {
			t.Fatalf("%s: a copy differs", method)
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	c := newCall(b, "Composites")
	set(c, composites())
	var buffer []byte
	b.ReportAllocs()
	for b.Loop() {
		buffer, _ = c.AppendArgs(buffer[:0])
	}
}

func BenchmarkDecode(b *testing.B) {
	c := newCall(b, "Composites")
	set(c, composites())
	buffer, _ := c.AppendArgs(nil)
	b.ReportAllocs()
	for b.Loop() {
		if err := newCall(b, "Composites").DecodeArgs(buffer); err != nil {
			b.Fatal(err)
		}
	}
}
