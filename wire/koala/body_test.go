package koala_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/mallee-io/mallee/wire"
	"github.com/mallee-io/mallee/wire/koala"
	"github.com/mallee-io/mallee/wire/pickle"
)

func compress(t testing.TB, b []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(b, nil)
}

func TestResultVectors(t *testing.T) {
	t.Parallel()
	for _, v := range []struct {
		value any
		hex   string
	}{
		{nil, "3080054e2e"},
		{true, "308005882e"},
		{false, "308005892e"},
		{int64(1), "3080054b012e"},
		{int64(256), "3080059504000000000000004d00012e"},
		{int64(-1), "3080059506000000000000004affffffff2e"},
		{int64(2147483648), "3080059508000000000000008a0500000080002e"},
		{1.5, "308005950a00000000000000473ff80000000000002e"},
		{"abc", "3080059507000000000000008c03616263942e"},
		{[]byte("ab"), "30800595060000000000000043026162942e"},
		{[]any{int64(1), int64(2)}, "3080059509000000000000005d94284b014b02652e"},
		{pickle.Dict{{Key: "a", Value: int64(1)}}, "308005950a000000000000007d948c0161944b01732e"},
	} {
		if got, err := koala.AppendResult(nil, v.value); err != nil || hex.EncodeToString(got) != v.hex {
			t.Errorf("%v: %x, %v; want %s", v.value, got, err, v.hex)
		}
		if got, err := new(koala.RPCResponse).Result(unhex(t, v.hex)); err != nil || !reflect.DeepEqual(got, v.value) {
			t.Errorf("%s: %v, %v", v.hex, got, err)
		}
	}
}

func TestArgsVectors(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 400)
	for _, v := range []struct {
		args   pickle.Tuple
		named  pickle.Dict
		hex    string
		toRead bool // Python writes it, and we do not
	}{
		{pickle.Tuple{"12121212"}, pickle.Dict{}, "3080059512000000000000008c0831323132313231329485947d9486942e", false},
		{pickle.Tuple{"1", int64(2)}, pickle.Dict{{Key: "k"}}, "3080059513000000000000008c0131944b0286947d948c016b944e7386942e", false},
		{pickle.Tuple{"hello"}, pickle.Dict{}, "3080025805000000" + "68656c6c6f857d862e", true},
		{pickle.Tuple{long}, pickle.Dict{}, "3128b52ffd60a800ed0000a08005959d01005890010000619485947d9486942e02008c4015011401", true},
		{pickle.Tuple{long}, pickle.Dict{}, "28b52ffd60a800ed0000a08005959d01005890010000619485947d9486942e02008c4015011401", true},
	} {
		if got, err := koala.AppendArgs(nil, v.args, v.named); err != nil || !v.toRead && hex.EncodeToString(got) != v.hex || got[0] != '0' {
			t.Errorf("%v: %x, %v; want %s", v.args, got, err, v.hex)
		}
		args, named, err := koala.ParseArgs(unhex(t, v.hex))
		if err != nil || !reflect.DeepEqual(args, v.args) || !reflect.DeepEqual(named, v.named) {
			t.Errorf("%s: %v, %v, %v", v.hex, args, named, err)
		}
	}
}

func TestArgsRefused(t *testing.T) {
	t.Parallel()
	bomb := compress(t, make([]byte, pickle.MaxLen+1))
	for _, v := range []struct{ body, want string }{
		{"", "empty"},
		{"0", "pickle, byte 0"},
		{"1", "pickle, byte 0"},
		{"2N.", "begins with 0x32"},
		{"0N.", "has to be a tuple"},
		{"0))\x86.", "has to be a tuple"},
		{"0}}\x86.", "has to be a tuple"},
		{"0)}NNs\x86.", "has to be a tuple"},
		{"0))}\x87.", "has to be a tuple"},
		{"0cos\nsystem\n.", "imports a Python"},
		{"1N.", "cannot be decompressed"},
		{"\x28\xb5\x2f\xfd", "cannot be decompressed"},
		{"1" + string(bomb), "cannot be decompressed to at most"},
		{string(bomb), "cannot be decompressed to at most"},
	} {
		if args, _, err := koala.ParseArgs([]byte(v.body)); err == nil || !strings.Contains(err.Error(), v.want) {
			t.Errorf("%.20q: %v, %v; want an error with %q", v.body, args, err, v.want)
		}
	}
	if b, err := koala.AppendResult([]byte("kept"), 1); err == nil || string(b) != "kept" {
		t.Errorf("%q, %v", b, err)
	}
}

func TestResultErrors(t *testing.T) {
	t.Parallel()
	for _, v := range []struct {
		m          *koala.RPCResponse
		body, want string
	}{
		{&koala.RPCResponse{}, "", "the host answered without a result"},
		{&koala.RPCResponse{ErrorStr: "why"}, "", "why"},
		{koala.Failure(1, koala.PositionChanged, ""), koala.FailureBody, "the host answered 10006, position changed"},
		{koala.Failure(1, koala.MethodNotFound, "echo"), "", "the host answered 10005, method not found: echo"},
		{koala.Failure(1, 0, ""), koala.FailureBody, "the host answered 10003, unknown exception"},
	} {
		_, err := v.m.Result([]byte(v.body))
		var failure *koala.Error
		if !errors.As(err, &failure) || failure.Code != v.m.ErrorCode || !strings.Contains(err.Error(), v.want) {
			t.Errorf("%+v: %v; want %q", v.m, err, v.want)
		}
	}
	if _, err := new(koala.RPCResponse).Result([]byte("0(")); err == nil || errors.As(err, new(*koala.Error)) {
		t.Errorf("a result that cannot be read is no answer of the host: %v", err)
	}
	for c, text := range map[koala.Code]string{
		10001: "interface invalid", 10002: "impl invalid", 10004: "entity not found", 10005: "method not found", 10006: "position changed",
	} {
		if c.String() != text {
			t.Errorf("%d is %q", c, c)
		}
	}
}

// Whatever a failure says, its response can be sent.
func TestFailuresCanBeSent(t *testing.T) {
	t.Parallel()
	for _, text := range []string{strings.Repeat("\x00", wire.MaxFrameMeta), "\xff", strings.Repeat("é", 1<<20) + "x"} {
		b, err := koala.Append(nil, koala.Failure(1, koala.UnknownException, text), []byte(koala.FailureBody))
		if err != nil {
			t.Fatal(err)
		}
		parse(t, b)
	}
}

func FuzzBody(f *testing.F) {
	for _, v := range []string{"0N.", "0)}\x86.", "1N.", "\x28\xb5\x2f\xfd"} {
		f.Add([]byte(v))
	}
	f.Add(append([]byte("1"), compress(f, []byte(")}\x86."))...))
	f.Add(compress(f, bytes.Repeat([]byte(")"), 400)))
	f.Fuzz(func(t *testing.T, b []byte) {
		if v, err := new(koala.RPCResponse).Result(b); err == nil {
			once, err := koala.AppendResult(nil, v)
			if err != nil {
				t.Fatal(err)
			}
			again, err := new(koala.RPCResponse).Result(once)
			if err != nil {
				t.Fatal(err)
			}
			if twice, err := koala.AppendResult(nil, again); err != nil || !bytes.Equal(once, twice) {
				t.Errorf("%q became %q, %v", once, twice, err)
			}
		}
		args, named, err := koala.ParseArgs(b)
		if err != nil {
			return
		}
		if _, err := koala.AppendArgs(nil, args, named); err != nil {
			t.Error(err)
		}
	})
}
