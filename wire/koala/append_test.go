package koala_test

import (
	"encoding/json"
	"os/exec"
	"reflect"
	"strings"
	"testing"

	"github.com/mallee-io/mallee/wire"
	"github.com/mallee-io/mallee/wire/koala"
)

func TestAppendRefuses(t *testing.T) {
	t.Parallel()
	for _, v := range []struct {
		write func([]byte, koala.Message, []byte) ([]byte, error)
		m     koala.Message
		body  int
		want  string
	}{
		{koala.Append, &koala.Unknown{Type: "Foo"}, 0, `"Foo" is not a type`},
		{koala.Append, &koala.Unknown{Type: "RpcRequest"}, 0, "is not a type"},
		{koala.AppendToGateway, &koala.Unknown{Type: "Foo"}, 0, `"Foo" is not a type`},
		{koala.AppendToGateway, &koala.RPCRequest{}, 0, "a gateway does not know RpcRequest"},
		{koala.AppendToGateway, &koala.RPCResponse{}, 0, "a gateway does not know RpcResponse"},
		{koala.Append, &koala.RequestAccountLogin{OpenID: "\xff"}, 0, "RequestAccountLogin: open_id: it is not valid UTF-8"},
		{koala.Append, &koala.RPCRequest{ActorID: "one", IntegerID: true}, 0, `RpcRequest: actor_id: "one" is not an integer`},
		{koala.Append, &koala.RPCRequest{ActorID: "01", IntegerID: true}, 0, "is not an integer"},
		{koala.Append, &koala.RPCRequest{ActorID: "9223372036854775808", IntegerID: true}, 0, "is not an integer"},
		{koala.Append, &koala.RequestHeartBeat{}, wire.MaxFrameBody + 1, "at most"},
		{koala.Append, &koala.RequestCloseSession{ActorType: strings.Repeat("x", wire.MaxFrameMeta)}, 0, "at most"},
		{koala.AppendToGateway, &koala.RequestSendMessageToSession{SessionIDs: []int64{1, 2}}, wire.MaxFrameBody + 1, "at most"},
	} {
		b, err := v.write([]byte("kept"), v.m, make([]byte, v.body))
		if err == nil || !strings.Contains(err.Error(), v.want) || string(b) != "kept" {
			t.Errorf("%.60q: %.60q, %v", v.want, b, err)
		}
	}
}

// The original gateway would deliver a message with more than one target to none.
func TestAppendToGatewaySendsOneFrameForEachSession(t *testing.T) {
	t.Parallel()
	for _, v := range []struct {
		m    koala.RequestSendMessageToSession
		want []int64
	}{
		{koala.RequestSendMessageToSession{SessionIDs: []int64{7, 8, 9}}, []int64{7, 8, 9}},
		{koala.RequestSendMessageToSession{SessionIDs: []int64{7, 8, 9}, SessionID: 1}, []int64{1}},
		{koala.RequestSendMessageToSession{}, nil},
	} {
		b, err := koala.AppendToGateway(nil, &v.m, []byte("text"))
		if err != nil {
			t.Fatal(err)
		}
		var got []int64
		for len(b) > 0 {
			m, body, rest := parse(t, b)
			one := m.(*koala.RequestSendMessageToSession)
			if one.SessionIDs != nil || string(body) != "text" {
				t.Errorf("%+v, %q", one, body)
			}
			got, b = append(got, one.SessionID), rest
		}
		if !reflect.DeepEqual(got, v.want) || !reflect.DeepEqual(v.m.Targets(), v.want) {
			t.Errorf("%+v went to %v", v.m, got)
		}
	}
}

func TestGatewaysGetAllElse(t *testing.T) {
	t.Parallel()
	for _, f := range frames() {
		want, err := koala.Append(nil, f.m, []byte(f.body))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := koala.AppendToGateway(nil, f.m, []byte(f.body)); strings.HasPrefix(f.m.TypeName(), "Rpc") != (err != nil) || (err == nil && string(got) != string(want)) {
			t.Errorf("%s: %q, %v", f.name, got, err)
		}
	}
}

func TestTextIsWrittenAsPythonDoes(t *testing.T) {
	t.Parallel()
	var all strings.Builder
	for r := range rune(0x800) {
		all.WriteRune(r)
	}
	all.WriteString("<>&'+ \u2028\u2029\ufeff玩家\U0001f600\U0010ffff")
	b, err := koala.Append(nil, &koala.RequestAccountLogin{OpenID: all.String()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if m, _, _ := parse(t, b); m.(*koala.RequestAccountLogin).OpenID != all.String() {
		t.Errorf("%+v", m)
	}
	path, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no python3 here to compare with")
	}
	cmd := exec.CommandContext(t.Context(), path, "-c", `
import json, sys
text = json.load(sys.stdin)
sys.stdout.buffer.write(json.dumps({"open_id": text, "server_id": 0, "session_id": 0}, ensure_ascii=False, separators=(",", ":")).encode())
`)
	in, err := json.Marshal(all.String())
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdin = strings.NewReader(string(in))
	want, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	meta, _, _, _, err := wire.ParseFrame(b)
	if got := strings.TrimPrefix(string(meta), "\x13RequestAccountLogin"); err != nil || got != string(want) {
		t.Errorf("%q\nwant %q", got, want)
	}
}
