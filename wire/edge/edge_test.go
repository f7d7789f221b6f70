package edge_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/mallee-io/mallee/wire/edge"
)

func header(b ...byte) (h [edge.HeaderSize]byte) {
	copy(h[:], b)
	return h
}

func codeOf(err error) edge.Code {
	if v := (*edge.Violation)(nil); errors.As(err, &v) {
		return v.Code
	}
	return 0
}

func TestFrameOnAStream(t *testing.T) {
	t.Parallel()
	b := edge.AppendFrame([]byte("before"), edge.KindText, []byte("hi"))
	if want := "before\x00\x00\x00\x03\x03hi"; string(b) != want {
		t.Fatalf("%q, not %q", b, want)
	}
	kind, n, err := edge.ParseHeader([5]byte(b[6:11]), 2)
	if kind != edge.KindText || n != 2 || err != nil {
		t.Fatal(kind, n, err)
	}
}

func TestFramesThatAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		header [edge.HeaderSize]byte
		want   edge.Code
	}{
		"no kind":               {header(0, 0, 0, 0, 4), edge.CodeProtocol},
		"kind 0":                {header(0, 0, 0, 1, 0), edge.CodeProtocol},
		"unknown kind":          {header(0, 0, 0, 1, 11), edge.CodeProtocol},
		"data beyond the limit": {header(0, 0, 0, 102, 4), edge.CodeTooLarge},
		"4 GiB":                 {header(255, 255, 255, 255, 4), edge.CodeTooLarge},
		"login beyond 16 KiB":   {header(0, 0, 0x40, 2, 1), edge.CodeTooLarge},
		"ping of 126 bytes":     {header(0, 0, 0, 127, 8), edge.CodeTooLarge},
		"ack of 11 bytes":       {header(0, 0, 0, 12, 5), edge.CodeTooLarge},
	} {
		if _, _, err := edge.ParseHeader(c.header, 100); codeOf(err) != c.want {
			t.Errorf("%s: %v, not code %d", name, err, c.want)
		}
	}
	if _, n, err := edge.ParseHeader(header(0, 0, 0, 101, 4), 100); n != 100 || err != nil {
		t.Error("a data frame of the limit:", n, err)
	}
	if _, _, err := edge.ParseMessage(nil, 100); codeOf(err) != edge.CodeProtocol {
		t.Error("an empty message:", err)
	}
	if codeOf(edge.CheckText([]byte("\xff"))) != edge.CodeText {
		t.Error("text that is not UTF-8 is taken")
	}
}

func TestAck(t *testing.T) {
	t.Parallel()
	for _, n := range []uint64{0, 1, 127, 128, math.MaxUint64} {
		if got, err := edge.ParseAck(edge.AppendAck(nil, n)); got != n || err != nil {
			t.Error(n, got, err)
		}
	}
	for _, bad := range []string{"", "\x80", "\x01\x01", strings.Repeat("\xff", 10)} {
		if _, err := edge.ParseAck([]byte(bad)); codeOf(err) != edge.CodeProtocol {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestHelloThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	for payload, why := range map[string]string{
		``:                                       "not a JSON object",
		`null`:                                   "not a JSON object",
		`[]`:                                     "not a JSON object",
		`{}`:                                     "version 0",
		`{"version":2,"login":{}}`:               "version 2",
		`{"version":1}`:                          "neither a login nor",
		`{"version":1,"login":null}`:             "neither a login nor",
		`{"version":1,"resume":{}}`:              "without a token",
		`{"version":1,"login":{}} x`:             "after top-level value",
		`{"version":1,"login":"` + "\xff" + `"}`: "not UTF-8",
		`{"version":1,"resume":{"token":"t","received":-1}}`: "number -1",
		strings.Repeat(" ", edge.MaxLogin) + `{}`:            "bytes, more than",
	} {
		_, err := edge.Decode[edge.Hello]([]byte(payload))
		if codeOf(err) != edge.CodeLoginInvalid || !strings.Contains(err.Error(), why) {
			t.Errorf("%.60q: %v, not %q", payload, err, why)
		}
	}
	h, err := edge.Decode[edge.Hello]([]byte(` {"version":1, "login": {"a" : 1}, "later": true}`))
	if err != nil || string(h.Login) != `{"a" : 1}` {
		t.Errorf("%q, %v: the login is to be kept byte for byte", h.Login, err)
	}
}

func TestPayloadsGoRound(t *testing.T) {
	t.Parallel()
	goesRound(t, edge.Hello{Version: 1, Login: json.RawMessage(`"a.b.c"`), Resume: &edge.Resume{Token: "t", Epoch: "e", Received: math.MaxUint64}})
	goesRound(t, edge.Welcome{Session: "10000000001", Token: "t", Epoch: "e", Resumed: true, Received: 7, Window: 60_000, Ping: 20_000, Largest: 65_536})
	goesRound(t, edge.Lost{Count: 3, Sent: 1})
	goesRound(t, edge.Move{Within: 10_000, URLs: []string{"wss://b.example"}})
	goesRound(t, edge.Closed{Code: edge.CodeDrain, Reason: "the gateway stops"})
}

func goesRound[P edge.Payload](t *testing.T, p P) {
	t.Helper()
	b, err := edge.Encode(p)
	if err != nil {
		t.Fatal(err)
	}
	got, err := edge.Decode[P](b)
	if err != nil || !reflect.DeepEqual(got, p) {
		t.Errorf("%+v became %+v: %v", p, got, err)
	}
}

func FuzzFrame(f *testing.F) {
	f.Add(edge.AppendFrame(nil, edge.KindText, []byte("hi")))
	f.Add(edge.AppendFrame(nil, edge.KindAck, edge.AppendAck(nil, 300)))
	f.Add([]byte("\xff\xff\xff\xff\x04"))
	f.Fuzz(func(t *testing.T, b []byte) {
		const largest = 100
		if len(b) < edge.HeaderSize {
			return
		}
		kind, n, err := edge.ParseHeader([edge.HeaderSize]byte(b), largest)
		if err != nil {
			if codeOf(err) == 0 {
				t.Fatal("not a violation:", err)
			}
			return
		}
		if n < 0 || n > kind.Largest(largest) {
			t.Fatalf("%d bytes in a frame of kind %d", n, kind)
		}
		if len(b) < edge.HeaderSize+n {
			return
		}
		whole := b[:edge.HeaderSize+n]
		if again := edge.AppendFrame(nil, kind, whole[edge.HeaderSize:]); !bytes.Equal(again, whole) {
			t.Fatalf("%q became %q", whole, again)
		}
		k, payload, err := edge.ParseMessage(whole[4:], largest)
		if k != kind || len(payload) != n || err != nil {
			t.Fatal("a message is not what a frame is:", k, err)
		}
		if ack, err := edge.ParseAck(payload); err == nil && len(edge.AppendAck(nil, ack)) > len(payload) {
			t.Fatal("an ack has grown")
		}
	})
}

func FuzzPayload(f *testing.F) {
	f.Add([]byte(`{"version":1,"login":{"user":"1"},"resume":{"token":"t","epoch":"e","received":5}}`))
	f.Add([]byte(`{"session":"1","token":"","window_ms":60000}`))
	f.Add([]byte(`{"code":4000,"reason":"x","count":1,"within_ms":5,"urls":["a"]}`))
	f.Add([]byte(`{"version":1,"login":` + strings.Repeat("[", 5000) + `}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		decodes[edge.Hello](t, b)
		decodes[edge.Welcome](t, b)
		decodes[edge.Lost](t, b)
		decodes[edge.Move](t, b)
		decodes[edge.Closed](t, b)
	})
}

// decodes checks that what can be decoded can also be encoded, and means the same.
func decodes[P edge.Payload](t *testing.T, b []byte) {
	p, err := edge.Decode[P](b)
	if err != nil {
		if codeOf(err) == 0 {
			t.Fatal("not a violation:", err)
		}
		return
	}
	once, err := edge.Encode(p)
	if err != nil {
		t.Fatal(err)
	}
	if len(once) > edge.MaxControl {
		return // what is escaped now was not
	}
	again, err := edge.Decode[P](once)
	if err != nil {
		t.Fatalf("%q became %q: %v", b, once, err)
	}
	if twice, _ := edge.Encode(again); !bytes.Equal(once, twice) {
		t.Fatalf("%q became %q", once, twice)
	}
}
