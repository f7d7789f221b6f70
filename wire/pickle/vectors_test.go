package pickle_test

import (
	"bytes"
	"encoding/hex"
	"math"
	"math/big"
	"reflect"
	"strings"
	"testing"

	"github.com/mallee-io/mallee/wire/pickle"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func huge(shift uint) *big.Int { return new(big.Int).Lsh(big.NewInt(1), shift) }

// What Python writes, from Koala's specification and from Python itself.
var vectors = []struct {
	value any
	hex   string
}{
	{nil, "80054e2e"},
	{true, "8005882e"},
	{false, "8005892e"},
	{int64(1), "80054b012e"},
	{int64(256), "80059504000000000000004d00012e"},
	{int64(-1), "80059506000000000000004affffffff2e"},
	{int64(2147483648), "80059508000000000000008a0500000080002e"},
	{1.5, "8005950a00000000000000473ff80000000000002e"},
	{"abc", "80059507000000000000008c03616263942e"},
	{[]byte("ab"), "800595060000000000000043026162942e"},
	{[]any{int64(1), int64(2)}, "80059509000000000000005d94284b014b02652e"},
	{pickle.Dict{{Key: "a", Value: int64(1)}}, "8005950a000000000000007d948c0161944b01732e"},
	{pickle.Tuple{pickle.Tuple{"12121212"}, pickle.Dict{}}, "80059512000000000000008c0831323132313231329485947d9486942e"},
	{pickle.Tuple{pickle.Tuple{"1", int64(2)}, pickle.Dict{{Key: "k"}}}, "80059513000000000000008c0131944b0286947d948c016b944e7386942e"},
	{pickle.Tuple{pickle.Tuple{"hello"}, pickle.Dict{}}, "8005950f000000000000008c0568656c6c6f9485947d9486942e"},
	{"hello", "80059509000000000000008c0568656c6c6f942e"},
}

func TestVectors(t *testing.T) {
	t.Parallel()
	for _, v := range vectors {
		want := unhex(t, v.hex)
		got, err := pickle.Append([]byte("before"), v.value)
		if err != nil || string(got) != "before"+string(want) {
			t.Errorf("%#v: %x, %v; want %x", v.value, got, err, want)
		}
		back, err := pickle.Parse(want)
		if err != nil || !reflect.DeepEqual(back, v.value) {
			t.Errorf("%x: %#v, %v; want %#v", want, back, err, v.value)
		}
	}
}

// Forms that other picklers, or older protocols, use.
func TestOtherForms(t *testing.T) {
	t.Parallel()
	for _, v := range []struct {
		hex  string
		want any
	}{
		{"4e 2e", nil},
		{"80 02 58 05000000 68656c6c6f 85 7d 86 2e", pickle.Tuple{pickle.Tuple{"hello"}, pickle.Dict{}}},
		{"8a 00 2e", int64(0)},
		{"8a 01 80 2e", int64(-128)},
		{"8b 02000000 ff7f 2e", int64(32767)},
		{"8a 08 0000000000000080 2e", int64(math.MinInt64)},
		{"8a 09 000000000000008000 2e", huge(63)},
		{"8d 0100000000000000 61 2e", "a"},
		{"8c 03 eda080 2e", "\xed\xa0\x80"},
		{"42 01000000 00 2e", []byte{0}},
		{"8e 0100000000000000 00 2e", []byte{0}},
		{"96 0100000000000000 00 2e", []byte{0}},
		{"28 8c 01 61 72 00000000 6a 00000000 68 00 74 2e", pickle.Tuple{"a", "a", "a"}},
		{"5d 4b 01 61 4b 02 61 2e", []any{int64(1), int64(2)}},
		{"28 74 2e", pickle.Tuple{}},
		{"7d 28 75 2e", pickle.Dict{}},
		{"4b 01 71 00 4b 02 71 00 68 00 87 2e", pickle.Tuple{int64(1), int64(2), int64(2)}},
		{"7d 29 4e 73 4b 01 43 01 61 73 2e", pickle.Dict{{Key: pickle.Tuple{}}, {Key: int64(1), Value: []byte("a")}}},
		{"5d 94 5d 94 68 01 86 61 2e", []any{pickle.Tuple{[]any{}, []any{}}}},
	} {
		got, err := pickle.Parse(unhex(t, v.hex))
		if err != nil || !reflect.DeepEqual(got, v.want) {
			t.Errorf("%s: %#v, %v; want %#v", v.hex, got, err, v.want)
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("5d", pickle.MaxDepth+1) + strings.Repeat("61", pickle.MaxDepth) + "2e"
	for _, v := range []struct{ name, hex, want string }{
		{"os.system", hex.EncodeToString([]byte("cos\nsystem\n(S'id'\ntR.")), "byte 0 of 21: opcode 0x63 imports"},
		{"a global from the stack", "8005 8c026f73 8c0673797374656d 93 2e", "byte 14 of 16: opcode 0x93 imports"},
		{"reduce", "2929522e", "byte 2 of 4: opcode 0x52 calls"},
		{"new object", "292981", "byte 2 of 3: opcode 0x81 calls"},
		{"build", "2962", "byte 1 of 2: opcode 0x62 calls"},
		{"persistent id", "4e51", "byte 1 of 2: opcode 0x51 refers"},
		{"extension", "8201", "byte 0 of 2: opcode 0x82 refers"},
		{"set", "8f942e", "byte 0 of 3: opcode 0x8f builds a set"},
		{"text opcode", "49310a2e", "byte 0 of 4: opcode 0x49 is not"},
		{"empty", "", "byte 0 of 0: 1 bytes are needed"},
		{"no end", "4e", "byte 1 of 1: 1 bytes are needed"},
		{"no value", "2e", "ends with 0 values"},
		{"two values", "4e4e2e", "ends with 2 values"},
		{"left over", "4e2e2e", "1 bytes are left over"},
		{"an open mark", "4e282e", "1 marks"},
		{"protocol", "80064e2e", "protocol 6"},
		{"long text", "58ffffffff", "4294967295 bytes are announced, 0 are left"},
		{"very long bytes", "8effffffffffffffff00", "18446744073709551615 bytes are announced"},
		{"negative long", "8bffffffff", "are announced"},
		{"not UTF-8", "8c01ff2e", "UTF-8"},
		{"half a surrogate", "8c02eda02e", "UTF-8"},
		{"float cut off", "473ff8", "8 bytes are needed, 2 are left"},
		{"memo before it is set", "68002e", "memo index 0 is used before"},
		{"memo with a gap", "4e71012e", "memo index 1 follows 0"},
		{"memo of nothing", "94", "fewer values"},
		{"append to nothing", "4e61", "fewer values"},
		{"int cut off", "4d01", "2 bytes are needed, 1 are left"},
		{"length cut off", "8b0000", "4 bytes are needed, 2 are left"},
		{"bytes cut off", "430200", "2 bytes are announced, 1 are left"},
		{"long cut off", "8a0200", "2 bytes are announced, 1 are left"},
		{"memo index cut off", "6a0000", "4 bytes are needed"},
		{"memo index to set cut off", "4e72", "4 bytes are needed"},
		{"long int", "8b01000100" + strings.Repeat("01", pickle.MaxInt+1) + "2e", "an int of 65537 bytes"},
		{"lowest int", "8b00000100" + strings.Repeat("00", pickle.MaxInt-1) + "802e", "an int of 524288 bits"},
		{"tuple without mark", "74", "no mark"},
		{"append to a mark", "2828654e61", "fewer values"},
		{"set in a mark", "4e284e4e73", "fewer values"},
		{"a dict that contains itself as a value", "7d944e680073", "contain themselves"},
		{"a dict that contains itself as a key", "7d946800854e73", "cannot be a key"},
		{"set in nothing", "4e73", "fewer values"},
		{"append nothing", "61", "fewer values"},
		{"tuples too deep", "29" + strings.Repeat("85", pickle.MaxDepth) + "2e", "nested more than"},
		{"a dict that is changed as part of a list", "5d7d946168004e4e73", "is part of another"},
		{"append to a tuple", "294e61", "not a list"},
		{"set in a list", "5d4e4e73", "not a dict"},
		{"below a mark", "4e2885", "fewer values"},
		{"appends without mark", "5d65", "no mark"},
		{"key without value", "7d284e75", "key without a value"},
		{"list as a key", "7d5d4e73", "cannot be a key"},
		{"list in a key", "7d5d854e73", "cannot be a key"},
		{"list that contains itself", "5d946800612e", "contain themselves"},
		{"list that contains itself in a tuple", "5d94680085612e", "contain themselves"},
		{"too deep", deep, "nested more than"},
		{"marks too deep", strings.Repeat("28", pickle.MaxDepth+1), "nested more than"},
	} {
		got, err := pickle.Parse(unhex(t, v.hex))
		if err == nil || !strings.Contains(err.Error(), v.want) || got != nil {
			t.Errorf("%s: %#v, %v; want an error with %q", v.name, got, err, v.want)
		}
	}
}

// A small pickle that doubles a list forty times would be terabytes when
// somebody walks it.
func TestSharedValuesStayBounded(t *testing.T) {
	t.Parallel()
	b := []byte("]\x94")
	for i := range 40 {
		b = append(b, "](h"...)
		b = append(b, byte(i), 'h', byte(i), 'e', 0x94)
	}
	for range 40 {
		b = append(b, 0x86) // one value of them all
	}
	if _, err := pickle.Parse(append(b, '.')); err == nil || !strings.Contains(err.Error(), "repeats") {
		t.Errorf("it gave %v", err)
	}
}

func TestItemsAreBounded(t *testing.T) {
	t.Parallel()
	b := append([]byte("]("), bytes.Repeat([]byte("N"), pickle.MaxItems)...)
	if _, err := pickle.Parse(append(b, "e."...)); err == nil || !strings.Contains(err.Error(), "mentions more than") {
		t.Errorf("too many items: %v", err)
	}
	if _, err := pickle.Parse(make([]byte, pickle.MaxLen+1)); err == nil {
		t.Error("too long")
	}
	b = append([]byte("N"), bytes.Repeat([]byte{0x94}, pickle.MaxItems+1)...)
	if _, err := pickle.Parse(append(b, '.')); err == nil || !strings.Contains(err.Error(), "the memo has more") {
		t.Errorf("memo: %v", err)
	}
}

func TestWriterRefuses(t *testing.T) {
	t.Parallel()
	itself := make([]any, 1)
	itself[0] = itself
	for _, v := range []struct {
		value any
		want  string
	}{
		{1, "int cannot be written"},
		{map[string]any{}, "map[string]interface {} cannot be written"},
		{[]any{int64(1), struct{}{}}, "struct {} cannot be written"},
		{"\xff", "UTF-8"},
		{(*big.Int)(nil), "nil"},
		{huge(8*pickle.MaxInt - 1), "an int of"},
		{pickle.Tuple{[]any{}, "\xff"}, "UTF-8"},
		{pickle.Dict{{Key: "\xff"}}, "UTF-8"},
		{pickle.Dict{{Value: 1}, {}}, "int cannot be written"},
		{deep(pickle.Tuple{}), "nested more than"},
		{deep(pickle.Dict{}), "nested more than"},
		{deep(pickle.Dict{{Value: itself}}), "nested more than"},
		{itself, "contain themselves"},
		{pickle.Dict{{Key: []any{}}}, "cannot be a key"},
		{pickle.Dict{{Key: pickle.Tuple{pickle.Dict{}}}}, "cannot be a key"},
		{make([]byte, pickle.MaxWritten), "more than"},
	} {
		b, err := pickle.Append([]byte("kept"), v.value)
		if err == nil || !strings.Contains(err.Error(), v.want) || string(b) != "kept" {
			t.Errorf("%.30v: %.30q, %v; want an error with %q", v.value, b, err, v.want)
		}
	}
}

// deep is one level deeper than may be.
func deep(v any) any {
	for range pickle.MaxDepth {
		v = pickle.Tuple{v}
	}
	return v
}

func TestDepth(t *testing.T) {
	t.Parallel()
	var v any = pickle.Tuple{} // the innermost one counts, though it is empty
	for range pickle.MaxDepth - 1 {
		v = []any{v}
	}
	b, err := pickle.Append(nil, v)
	if err != nil {
		t.Fatal(err)
	}
	if back, err := pickle.Parse(b); err != nil || !reflect.DeepEqual(back, v) {
		t.Errorf("as deep as may be: %v", err)
	}
	if _, err := pickle.Append(nil, []any{v}); err == nil {
		t.Error("one deeper was written")
	}
}

func TestGet(t *testing.T) {
	t.Parallel()
	v, err := pickle.Parse([]byte("}(\x8c\x01aK\x01NK\x03\x8c\x01aK\x02u."))
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := v.(pickle.Dict).Get("a"); !ok || got != int64(2) {
		t.Errorf("the last value counts: %v, %v", got, ok)
	}
	if _, ok := v.(pickle.Dict).Get("b"); ok {
		t.Error("a key that is not there")
	}
}

// Whoever appends to a list that is there twice must not write into the other.
func TestSharedListsHaveNoRoom(t *testing.T) {
	t.Parallel()
	v, err := pickle.Parse(unhex(t, "5d94 284b014b024b0365 6800 86 2e"))
	if err != nil {
		t.Fatal(err)
	}
	pair := v.(pickle.Tuple)
	first := append(pair[0].([]any), "first")
	_ = append(pair[1].([]any), "second")
	if first[3] != "first" {
		t.Error("one list was written into the other")
	}
}

func TestLargestInts(t *testing.T) {
	t.Parallel()
	v := new(big.Int).Sub(huge(8*pickle.MaxInt-1), big.NewInt(1))
	for range 2 {
		b, err := pickle.Append(nil, v)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := pickle.Parse(b); err != nil || back.(*big.Int).Cmp(v) != 0 {
			t.Errorf("%d bits: %v", v.BitLen(), err)
		}
		v = new(big.Int).Neg(v)
	}
}
