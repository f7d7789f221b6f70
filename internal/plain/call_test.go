package plain_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/examples/game"
	"github.com/mallee-io/mallee/internal/plain"
	"github.com/mallee-io/mallee/wire/koala"
	"github.com/mallee-io/mallee/wire/pickle"
)

// call is an empty call of a method of the game.
func call(t testing.TB, i mallee.Interface, method string) mallee.Call {
	t.Helper()
	m, ok := plain.Method(i.Methods, method)
	if !ok {
		t.Fatalf("%s has no %s", i.Name, method)
	}
	return m.New()
}

func args(t testing.TB, values pickle.Tuple, named pickle.Dict) []byte {
	t.Helper()
	b, err := koala.AppendArgs(nil, values, named)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestArguments(t *testing.T) {
	t.Parallel()
	want := call(t, game.PlayerInterface(), "Give")
	if err := plain.DecodeArgs(want, args(t, pickle.Tuple{"sword", int64(3)}, nil)); err != nil {
		t.Fatal(err)
	}
	for _, body := range [][]byte{
		args(t, pickle.Tuple{"sword"}, pickle.Dict{{Key: "n", Value: int64(3)}}),
		args(t, nil, pickle.Dict{{Key: "n", Value: int64(3)}, {Key: "item", Value: "sword"}}),
	} {
		got := call(t, game.PlayerInterface(), "give")
		if err := plain.DecodeArgs(got, body); err != nil || !reflect.DeepEqual(got.Args(), want.Args()) {
			t.Errorf("%+v, %v", got.Args(), err)
		}
	}
	b, err := plain.AppendArgs(nil, want)
	if err != nil || string(b) != string(args(t, pickle.Tuple{"sword", int64(3)}, nil)) {
		t.Errorf("%q, %v", b, err)
	}
	for want, body := range map[string][]byte{
		"expected 2 arguments, got 3":             args(t, pickle.Tuple{"a", int64(1), nil}, nil),
		"argument n: it is missing":               args(t, pickle.Tuple{"a"}, nil),
		"argument item: it is given twice":        args(t, pickle.Tuple{"a", int64(1)}, pickle.Dict{{Key: "item", Value: "a"}}),
		`there is no argument "m"`:                args(t, pickle.Tuple{"a", int64(1)}, pickle.Dict{{Key: "m", Value: "a"}}),
		"argument n: expected int for int, got s": args(t, pickle.Tuple{"a", "1"}, nil),
		"empty":             nil,
		"instead of a flag": []byte("x"),
	} {
		if err := plain.DecodeArgs(call(t, game.PlayerInterface(), "give"), body); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestResults(t *testing.T) {
	t.Parallel()
	top := call(t, game.LeaderboardInterface(), "top")
	body, err := koala.AppendResult(nil, []any{pickle.Dict{{Key: "Player", Value: "ann"}, {Key: "Score", Value: int64(7)}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := plain.DecodeResults(top, body); err != nil {
		t.Fatal(err)
	}
	if b, err := (plain.Answer{Call: top}).AppendResults(nil); err != nil || string(b) != string(body) {
		t.Errorf("%q, %v", b, err)
	}
	report := call(t, game.LeaderboardInterface(), "report")
	none, err := plain.AppendResults(nil, report)
	if err != nil || string(none) != "0\x80\x05N." {
		t.Errorf("no results: %q, %v", none, err)
	}
	for _, b := range [][]byte{none, body} { // what Go does not ask for is not looked at
		if err := plain.DecodeResults(report, b); err != nil {
			t.Error(err)
		}
	}
	if err := plain.DecodeResults(call(t, game.PlayerInterface(), "echo"), none); err == nil {
		t.Error("None is taken for a string")
	}
}

// pair is a call with two results.
type pair struct {
	mallee.Call
	results struct {
		Name string `json:"name"`
		N    int    `json:"n"`
	}
}

func (p *pair) Results() any { return &p.results }

func TestSeveralResultsAreATuple(t *testing.T) {
	t.Parallel()
	p, back := new(pair), new(pair)
	p.results.Name, p.results.N = "x", 5
	b, err := plain.AppendResults(nil, p)
	if err != nil {
		t.Fatal(err)
	}
	if err := plain.DecodeResults(back, b); err != nil || back.results != p.results {
		t.Errorf("%+v, %v", back.results, err)
	}
	one, err := koala.AppendResult(nil, "x")
	if err != nil {
		t.Fatal(err)
	}
	if err := plain.DecodeResults(back, one); err == nil || !strings.Contains(err.Error(), "a tuple of 2 results, got str") {
		t.Errorf("one result for two: %v", err)
	}
}

func TestSnakeCase(t *testing.T) {
	t.Parallel()
	for from, want := range map[string]string{
		"Echo": "echo", "SayHello": "say_hello", "HTTPPort": "http_port", "GetURL": "get_url", "A": "a", "": "", "PatchV2Code": "patch_v2_code", "already_so": "already_so",
	} {
		if got := plain.SnakeCase(from); got != want {
			t.Errorf("%s became %s", from, got)
		}
	}
}
