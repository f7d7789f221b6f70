package roundtrip_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/big"
	"net"
	"net/netip"
	"net/url"
	"reflect"
	"runtime"
	"slices"
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

func uncommon() roundtrip.Uncommon {
	at := time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC)
	return roundtrip.Uncommon{
		Event: roundtrip.Event{Time: at, Name: "start"}, Message: roundtrip.Message{Value: structpb.NewStringValue("v"), Note: "n"},
		Hash: [4]byte{1, 2, 3, 255}, PtrHash: &[4]byte{4}, Levels: []roundtrip.Level{1, 255},
		Guarded: &roundtrip.Guarded{Names: []string{"a"}}, Apart: other.Apart{Names: []string{"b"}},
		Empties: make([]struct{}, 3), Matrix: [2][]string{{"c"}, nil}, Self: roundtrip.Self{nil, {}, {{}}},
		List:   &roundtrip.List[roundtrip.List[string]]{Value: roundtrip.List[string]{Value: "d"}, Next: &roundtrip.List[roundtrip.List[string]]{}},
		ByText: map[roundtrip.Color]int{roundtrip.NewColor(0xff8000): 1}, Labels: other.Labels{"e": 1}, Plan: &other.Plan{Rooms: []string{"f"}},
		IP: net.IPv4(127, 0, 0, 1), Deadline: &at,
	}
}

// same compares like reflect.DeepEqual, but protobuf messages by their content.
func same(a, b any) bool {
	if x, ok := a.(roundtrip.Uncommon); ok {
		y := b.(roundtrip.Uncommon)
		equal := proto.Equal(x.Message.Value, y.Message.Value)
		x.Message.Value, y.Message.Value = nil, nil
		return equal && reflect.DeepEqual(x, y)
	}
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
		"Uncommon":   {roundtrip.Uncommon{}, uncommon()},
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
		if isImmutable := a.Type() == reflect.TypeFor[other.Labels]() || a.Type() == reflect.TypeFor[*other.Plan](); isImmutable {
			return ""
		}
		if !a.IsNil() && a.Pointer() == b.Pointer() {
			return path
		}
	case reflect.Slice:
		if a.Len() > 0 && a.Type().Elem().Size() > 0 && a.Pointer() == b.Pointer() {
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
	apart := newCall(t, "Uncommon")
	v := uncommon()
	v.Apart = v.Apart.Own()
	set(apart, v)
	if err := apart.CopyArgs(); err != nil {
		t.Fatal(err)
	}
	if copied := get(apart).(roundtrip.Uncommon); !copied.Apart.Stripped() || copied.Apart.Names[0] != "b" {
		t.Errorf("copied %+v", copied.Apart)
	} else if copied.Plan != v.Plan {
		t.Error("a pointer to an immutable type was copied")
	}
	data := []byte{1}
	share := newCall(t, "Share")
	field := reflect.ValueOf(share.Args()).Elem().FieldByName("Data")
	field.SetBytes(data)
	if err := share.CopyArgs(); err != nil || &field.Bytes()[0] != &data[0] {
		t.Errorf("//mallee:immutable copied: %v", err)
	}
}

// A call on one node must not give what a call between nodes would not.
func TestTimesAreInstantsOnOneNodeToo(t *testing.T) {
	t.Parallel()
	sent := roundtrip.Uncommon{Event: roundtrip.Event{Time: time.Now().In(time.FixedZone("", 3600))}}
	copied, received := newCall(t, "Uncommon"), newCall(t, "Uncommon")
	set(copied, sent)
	b, err := copied.AppendArgs(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := received.DecodeArgs(b); err != nil {
		t.Fatal(err)
	}
	if err := copied.CopyArgs(); err != nil {
		t.Fatal(err)
	}
	if local, remote := get(copied).(roundtrip.Uncommon).Event.Time, get(received).(roundtrip.Uncommon).Event.Time; local != remote {
		t.Errorf("local %#v, remote %#v", local, remote)
	}
}

// The limit of depth is one for copies and encodings.
func TestCopiesAreRefusedWhereEncodingIs(t *testing.T) {
	t.Parallel()
	for depth := 300; depth < 700; depth += 7 {
		tree := roundtrip.Node{}
		for range depth {
			tree = roundtrip.Node{Children: []roundtrip.Node{tree}}
		}
		c := newCall(t, "Composites")
		set(c, roundtrip.Composites{Tree: &tree})
		_, encodeErr := c.AppendArgs(nil)
		if copyErr := c.CopyArgs(); (copyErr == nil) != (encodeErr == nil) && (depth < 495 || depth > 502) {
			t.Errorf("depth %d: encode %v, copy %v", depth, encodeErr, copyErr)
		}
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

func bulkCall(t testing.TB, method string) mallee.Call {
	t.Helper()
	for _, m := range roundtrip.BulkInterface().Methods {
		if m.Name == method {
			return m.New()
		}
	}
	t.Fatalf("Bulk has no method %s", method)
	return nil
}

// A few bytes must not make the decoder allocate gigabytes: elements that are
// all missing fields, behind pointers or not.
func TestAnnouncedSizesAreBounded(t *testing.T) {
	for _, method := range []string{"Wide", "Pointers", "Trees"} {
		const n = 1 << 20
		bomb := append([]byte("\x91\xdd\x00\x10\x00\x00"), bytes.Repeat([]byte{0x80}, n)...)
		c := bulkCall(t, method)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := c.DecodeArgs(bomb)
		runtime.ReadMemStats(&after)
		if method != "Trees" && (err == nil || !strings.Contains(err.Error(), "can mean")) {
			t.Errorf("%s: %v", method, err)
		}
		// A Wide may take what a whole one takes for its 25 bytes, not for one.
		if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 200*n {
			t.Errorf("%s: %d bytes make it allocate %d", method, n, allocated)
		}
	}
}

// Whatever is sent can be received, however small it is on the wire.
func TestNothingThatWasSentIsTooLarge(t *testing.T) {
	t.Parallel()
	const n = 60_000
	ids := make(map[string]mallee.ID)
	links, trees, wide := make([]*url.URL, n), make([]*roundtrip.Node, n), make([]*roundtrip.Wide, n)
	for i := range n {
		ids[fmt.Sprint(i)] = mallee.ID{}
		links[i], trees[i], wide[i] = new(url.URL), new(roundtrip.Node), new(roundtrip.Wide)
	}
	for method, v := range map[string]any{
		"Wide": make([]roundtrip.Wide, n), "Pointers": wide, "URLs": make([]url.URL, n), "URLPointers": links, "IDs": ids, "Trees": trees,
	} {
		sent := bulkCall(t, method)
		set(sent, v)
		b, err := sent.AppendArgs(nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := bulkCall(t, method).DecodeArgs(b); err != nil {
			t.Errorf("%s: %v", method, err)
		}
	}
}

// failing answers an error after it has written into the call, as a turn that
// goes on after the caller's deadline does.
type failing struct{}

func (failing) Invoke(_ context.Context, _ mallee.ID, call mallee.Call) error {
	reflect.ValueOf(call.Results()).Elem().Field(0).SetString("late")
	return mallee.ErrTimeout
}

func TestResultsAreZeroAfterAnError(t *testing.T) {
	t.Parallel()
	msg, err := roundtrip.AlsoOf(failing{}, "1").Echo(t.Context(), "a")
	if msg != "" || !errors.Is(err, mallee.ErrTimeout) {
		t.Errorf("got %q, %v", msg, err)
	}
}

func TestCallOfAnotherInterfaceIsNotFound(t *testing.T) {
	t.Parallel()
	if err := newCall(t, "Basics").Run(t.Context(), echoer{}); !errors.Is(err, mallee.ErrNotFound) || !strings.Contains(err.Error(), "echoer does not implement Everything") {
		t.Errorf("got %v", err)
	}
}

func TestReference(t *testing.T) {
	t.Parallel()
	ref := roundtrip.AlsoOf(direct{}, "1001")
	if want := (mallee.ID{Type: "roundtrip.Also", Key: "1001"}); ref.ID() != want || roundtrip.AlsoAt(nil, want).ID() != want {
		t.Errorf("ids %v", ref.ID())
	}
	if got, err := ref.Echo(t.Context(), "hello"); got != "hello" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if typ := roundtrip.AlsoType(func(*mallee.Self) echoer { return echoer{} }); typ.Name != "roundtrip.Also" || typ.Validate() != nil {
		t.Errorf("type %+v", typ)
	}
}

// A call value is all that a reference may allocate.
func TestCallIsOneAllocation(t *testing.T) {
	var caller mallee.Caller = direct{}
	allocated := testing.AllocsPerRun(100, func() {
		if _, err := roundtrip.AlsoOf(caller, "1").Echo(t.Context(), "hello"); err != nil {
			t.Error(err)
		}
	})
	if allocated != 1 {
		t.Errorf("%v allocations", allocated)
	}
}

type echoer struct{}

func (echoer) Echo(_ context.Context, msg string) (string, error) { return msg, nil }

var theEchoer any = echoer{}

// direct runs calls without a runtime.
type direct struct{}

func (direct) Invoke(ctx context.Context, _ mallee.ID, call mallee.Call) error {
	if err := call.CopyArgs(); err != nil {
		return err
	}
	if err := call.Run(ctx, theEchoer); err != nil {
		return err
	}
	return call.CopyResults()
}

// methods of all interfaces, in their order.
func methods() []mallee.Method {
	return slices.Concat(roundtrip.EverythingInterface().Methods, roundtrip.AlsoInterface().Methods, roundtrip.BulkInterface().Methods)
}

// half is what a call does to its arguments, or to its results.
type half struct {
	value  func(mallee.Call) any
	decode func(mallee.Call, []byte) error
	encode func(mallee.Call, []byte) ([]byte, error)
	copy   func(mallee.Call) error
}

var halves = []half{
	{mallee.Call.Args, mallee.Call.DecodeArgs, mallee.Call.AppendArgs, mallee.Call.CopyArgs},
	{mallee.Call.Results, mallee.Call.DecodeResults, mallee.Call.AppendResults, mallee.Call.CopyResults},
}

func FuzzDecode(f *testing.F) {
	all := methods()
	for i, m := range all {
		for _, v := range values(f)[m.Name] {
			c := m.New()
			set(c, v)
			b, err := c.AppendArgs(nil)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(i, b)
		}
		f.Add(i, []byte("\x92\x90\x81\xa4Name\xc0"))
	}
	f.Fuzz(func(t *testing.T, which int, b []byte) {
		m := all[uint(which)%uint(len(all))]
		for _, h := range halves {
			first := m.New()
			if h.decode(first, b) != nil {
				continue
			}
			// Whatever can be read can be written and read again, and says the same.
			again, err := h.encode(first, nil)
			if err != nil {
				t.Fatalf("%s: decoded but not encoded: %v", m.Name, err)
			}
			second := m.New()
			if err := h.decode(second, again); err != nil {
				t.Fatalf("%s: encoded but not decoded: %v", m.Name, err)
			}
			if err := h.copy(first); err != nil {
				t.Fatalf("%s: decoded but not copied: %v", m.Name, err)
			}
			// Messages have caches, and NaN is not equal to itself.
			if m.Name == "Special" || m.Name == "Uncommon" || strings.Contains(fmt.Sprintf("%v", h.value(first)), "NaN") {
				continue
			}
			if !reflect.DeepEqual(h.value(first), h.value(second)) {
				t.Fatalf("%s: %+v became %+v", m.Name, h.value(first), h.value(second))
			}
		}
	})
}

// What a program sends arrives as it was.
func FuzzRoundTrip(f *testing.F) {
	f.Add("", int64(0), 0.0, []byte(nil), uint8(0))
	f.Add("a\xff", int64(-1), 1e300, []byte{1}, uint8(7))
	f.Fuzz(func(t *testing.T, text string, n int64, x float64, data []byte, shape uint8) {
		if x != x {
			return
		}
		v := composites()
		v.Item, v.Bytes, v.Named = other.Item{Name: text, Tags: strings.Split(text, "a")}, data, roundtrip.Blob(data)
		v.Map, v.Slice = map[string]int{text: int(n)}, make([]int, shape%5)
		if shape&1 == 0 {
			v.Tree = nil
		}
		if shape&2 == 0 {
			v.Pointer, v.ToPointer, v.ToSlice = nil, nil, &v.Slice
		}
		b := basics()
		b.String, b.Int64, b.Float64, b.Int8, b.Uint16 = text, n, x, int8(n), uint16(n)
		for method, want := range map[string]any{"Composites": v, "Basics": b} {
			sent, received := newCall(t, method), newCall(t, method)
			set(sent, want)
			encoded, err := sent.AppendArgs(nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := received.DecodeArgs(encoded); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(get(received), want) {
				t.Fatalf("%s: sent %+v, received %+v", method, want, get(received))
			}
		}
	})
}

func BenchmarkCall(b *testing.B) {
	var caller mallee.Caller = direct{}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := roundtrip.AlsoOf(caller, "1").Echo(b.Context(), "hello"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCopy(b *testing.B) {
	c := newCall(b, "Composites")
	set(c, composites())
	b.ReportAllocs()
	for b.Loop() {
		if err := c.CopyArgs(); err != nil {
			b.Fatal(err)
		}
	}
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
