package mongodb_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"reflect"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/mallee-io/mallee/storage/mongodb"
)

// roundTrip gives back the JSON, or false where it does not become BSON.
func roundTrip(t interface{ Fatalf(string, ...any) }, text []byte) ([]byte, bool) {
	value, ok := mongodb.ToBSON(text)
	if !ok {
		return nil, false
	}
	raw, err := bson.Marshal(bson.D{{Key: "value", Value: value}})
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	back, err := mongodb.FromBSON(nil, bson.Raw(raw).Lookup("value"))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return back, true
}

// sameJSON compares values, numbers exactly.
func sameJSON(t interface{ Fatalf(string, ...any) }, a, b []byte) bool {
	return reflect.DeepEqual(parse(t, a), parse(t, b))
}

func parse(t interface{ Fatalf(string, ...any) }, text []byte) any {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return exact(t, v)
}

func exact(t interface{ Fatalf(string, ...any) }, v any) any {
	switch v := v.(type) {
	case json.Number:
		n, ok := new(big.Rat).SetString(v.String())
		if !ok {
			t.Fatalf("%s is no number", v)
		}
		sign := ""
		if n.Sign() == 0 && v[0] == '-' {
			sign = "-"
		}
		return sign + n.RatString() // no text of JSON is taken for it: those are strings too, but in quotes
	case string:
		return fmt.Sprintf("%q", v)
	case []any:
		for i := range v {
			v[i] = exact(t, v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = exact(t, v[name])
		}
	}
	return v
}

func TestBSON(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]any{
		`null`: nil, `true`: true, `0`: int32(0), `-1`: int32(-1), `2147483648`: int64(1 << 31),
		`9223372036854775807`: int64(1<<63 - 1), `1.5`: 1.5, `0.1`: 0.1, `1.50`: 1.5, `15e-1`: 1.5, `1e300`: 1e300, `5e-324`: 5e-324,
		`1.0`: 1.0, `123456789012345680000`: 123456789012345680000.0,
		`"x"`: "x", `"a\u0000b"`: "a\x00b", `"\ud83d\ude00"`: "😀", `"$x"`: "$x",
		`[]`: bson.A{}, `[[1]]`: bson.A{bson.A{int32(1)}}, `{}`: bson.D{},
		`{"b":1,"a":{"_id":null}}`: bson.D{{Key: "b", Value: int32(1)}, {Key: "a", Value: bson.D{{Key: "_id"}}}},
		`{"a":1,"b":2,"a":3}`:      bson.D{{Key: "a", Value: int32(3)}, {Key: "b", Value: int32(2)}},
	} {
		got, ok := mongodb.ToBSON([]byte(text))
		if !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("%s became %#v, want %#v", text, got, want)
		}
	}
}

func TestNotBSON(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`-0`, `-0.0`, `18446744073709551615`, `1e400`, `1e-400`, `1e99999999999999999999`, `0.10000000000000000001`,
		`123456789012345678901234567890.5`, `{"":1}`, `{"$a":1}`, `{"a.b":1}`, `[{"a\u0000":1}]`, `"\ud800"`, `{"\ud800":1}`, "\"\xff\"",
		strings.Repeat("[", 81) + strings.Repeat("]", 81), ``, `[`, `{"a":`,
	} {
		if got, ok := mongodb.ToBSON([]byte(text)); ok {
			t.Errorf("%s became %#v", text, got)
		}
	}
}

func anyJSON() *rapid.Generator[any] {
	number := rapid.OneOf(
		rapid.Map(rapid.Int64(), func(n int64) any { return n }),
		rapid.Map(rapid.Float64(), func(f float64) any { return f }),
		rapid.Map(rapid.StringMatching(`-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?`), func(s string) any { return json.RawMessage(s) }),
	)
	scalar := rapid.OneOf(number, rapid.Map(rapid.String(), func(s string) any { return s }), rapid.Just[any](nil), rapid.Just[any](true))
	return rapid.Custom(func(t *rapid.T) any {
		switch rapid.IntRange(0, 4).Draw(t, "kind") {
		case 0:
			return rapid.SliceOfN(rapid.Deferred(anyJSON), 0, 4).Draw(t, "array")
		case 1:
			return rapid.MapOfN(rapid.String(), rapid.Deferred(anyJSON), 0, 4).Draw(t, "object")
		default:
			return scalar.Draw(t, "scalar")
		}
	})
}

func TestBSONRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text, err := json.Marshal(anyJSON().Draw(t, "value"))
		if err != nil {
			t.Fatal(err)
		}
		if back, ok := roundTrip(t, text); ok && !sameJSON(t, text, back) {
			t.Fatalf("%s came back as %s", text, back)
		}
	})
}

func FuzzBSON(f *testing.F) {
	for _, text := range []string{`null`, `[1,-2.5e-3,"a\u0000",{"b":{}}]`, `{"a":1,"a":2}`, `1e400`, `0e999999999999`, "\"\xff\"", `"\ud800"`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if !json.Valid(text) {
			mongodb.ToBSON(text)
			return
		}
		if back, ok := roundTrip(t, text); ok && len(text) < 200 && !bytes.ContainsAny(text, "eE") && !sameJSON(t, text, back) {
			t.Errorf("%q came back as %q", text, back)
		}
	})
}

// What is not in a value of JSON is an error, not something else.
func TestForeignBSON(t *testing.T) {
	t.Parallel()
	for _, value := range []any{bson.NewObjectID(), bson.DateTime(0), bson.Binary{Data: []byte("x")}, bson.A{bson.MinKey{}}, bson.D{{Key: "a", Value: bson.Regex{Pattern: "x"}}}} {
		raw, err := bson.Marshal(bson.D{{Key: "value", Value: value}})
		if err != nil {
			t.Fatal(err)
		}
		if back, err := mongodb.FromBSON(nil, bson.Raw(raw).Lookup("value")); err == nil {
			t.Errorf("%v became %s", value, back)
		}
	}
}
