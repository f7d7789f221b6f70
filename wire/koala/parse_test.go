package koala_test

import (
	"bytes"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/mallee-io/mallee/wire"
	"github.com/mallee-io/mallee/wire/koala"
)

func meta(name, object string) []byte {
	return append(append([]byte{byte(len(name))}, name...), object...)
}

func TestParseIsTolerant(t *testing.T) {
	t.Parallel()
	for _, v := range []struct {
		name, object string
		want         koala.Message
	}{
		{"Foo", "{}", &koala.Unknown{Type: "Foo"}},
		{"Foo", "not read at all", &koala.Unknown{Type: "Foo"}},
		{"rpcrequest", "{}", &koala.Unknown{Type: "rpcrequest"}},
		{"RpcRequest", "{}", &koala.RPCRequest{}},
		{"RpcRequest", " \n{ } ", &koala.RPCRequest{}},
		{"RpcRequest", `{"service_name":null,"actor_id":null,"request_id":null,"future":{"deep":[1,{"a":null}]}}`, &koala.RPCRequest{}},
		{"RpcRequest", `{"actor_id":1}`, &koala.RPCRequest{ActorID: "1", IntegerID: true}},
		{"RpcRequest", `{"actor_id":"1"}`, &koala.RPCRequest{ActorID: "1"}},
		{"RpcRequest", `{"actor_id": -0 }`, &koala.RPCRequest{ActorID: "0", IntegerID: true}},
		{"RpcRequest", `{"actor_id":9007199254740993}`, &koala.RPCRequest{ActorID: "9007199254740993", IntegerID: true}},
		{"RpcRequest", `{"request_id":9223372036854775807,"reentrant_id":-9223372036854775808}`, &koala.RPCRequest{RequestID: 1<<63 - 1, ReentrantID: -1 << 63}},
		{"RpcRequest", `{"Request_ID":1,"request_id":2,"REQUEST_ID":3}`, &koala.RPCRequest{RequestID: 2}},
		{"RpcResponse", `{"error_str":"\u003c\ud83d\ude00\n","error_code":10003}`, &koala.RPCResponse{ErrorCode: koala.UnknownException, ErrorStr: "<\U0001f600\n"}},
		{"RpcResponse", `{"error_str":"\\ud800\ufffd\u0041\ud800\udc00\ud83d\ude00"}`, &koala.RPCResponse{ErrorStr: `\ud800` + "\ufffdA\U00010000\U0001f600"}},
		{"ResponseAccountLogin", `{"session_id":1,"actor_type":"IPlayer","actor_id":2}`, &koala.ResponseAccountLogin{SessionID: 1, ActorType: "IPlayer", ActorID: "2"}},
		{"NotifyNewActorMessage", `{"trace":"x","actor_id":3}`, &koala.NotifyNewActorMessage{ActorID: "3"}},
		{"NotifyNewActorSession", `{"actor_id":3}`, &koala.NotifyNewActorSession{ActorID: "3"}},
		{"NotifyActorSessionAborted", `{"actor_id":3}`, &koala.NotifyActorSessionAborted{ActorID: "3"}},
		{"RequestSendMessageToSession", `{"session_ids": [ 1 , 9007199254740993 ]}`, &koala.RequestSendMessageToSession{SessionIDs: []int64{1, 9007199254740993}}},
	} {
		if m, err := koala.Parse(meta(v.name, v.object)); err != nil || !reflect.DeepEqual(m, v.want) {
			t.Errorf("%s %s: %+v, %v; want %+v", v.name, v.object, m, err, v.want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, v := range []struct{ meta, want string }{
		{"", "no type name"},
		{"\x00{}", "no type name"},
		{"\x0aRpcReq", "announces a type name of 10 bytes, and has 6"},
		{"\x02\xff\xfe{}", "UTF-8"},
		{"\x0aRpcRequest", "not a JSON object"},
		{"\x0aRpcRequestnull", "not a JSON object"},
		{"\x0aRpcRequest[]", "not a JSON object"},
		{"\x0aRpcRequest{", "not a JSON object"},
		{"\x0aRpcRequest{}{}", "not a JSON object"},
		{"\x0aRpcRequest{\"method_name\":\"\xff\"}", "UTF-8"},
		{`RpcRequest{"method_name":1}`, "method_name is 1: it has to be a string"},
		{`RpcRequest{"method_name":"\ud800"}`, "whole characters"},
		{`RpcRequest{"method_name":"x\ud800\ud800\udc00"}`, "whole characters"},
		{`RpcRequest{"method_name":"\ud800\u0041"}`, "whole characters"},
		{`RpcRequest{"actor_id":"\udc00\ud800"}`, "whole characters"},
		{`RpcRequest{"request_id":"1"}`, `request_id is "1": it has to be an integer`},
		{`RpcRequest{"request_id":1.0}`, "integer"},
		{`RpcRequest{"request_id":1e3}`, "integer"},
		{`RpcRequest{"request_id":true}`, "integer"},
		{`RpcRequest{"request_id":9223372036854775808}`, "integer"},
		{`RpcRequest{"actor_id":1.5}`, "a string or an integer"},
		{`RpcRequest{"actor_id":[]}`, "a string or an integer"},
		{`RpcRequest{"actor_id":true}`, "a string or an integer"},
		{string(meta("RequestSendMessageToSession", `{"session_ids":[1.5]}`))[1:], "integers"},
		{string(meta("RequestSendMessageToSession", `{"session_ids":7}`))[1:], "integers"},
		{string(meta("RequestSendMessageToSession", `{"session_ids":["7"]}`))[1:], "integers"},
		{strings.Repeat("x", wire.MaxFrameMeta+1), "at most"},
	} {
		b := v.meta
		if name, _, ok := strings.Cut(b, "{"); ok && len(name) > 2 && name[0] >= 'A' {
			b = string(rune(len(name))) + b
		}
		if m, err := koala.Parse([]byte(b)); err == nil || !strings.Contains(err.Error(), v.want) || m != nil {
			t.Errorf("%.60q: %+v, %v; want an error with %q", b, m, err, v.want)
		}
	}
}

// Per byte of input, and at all: an entry of an object of no use is six bytes.
const (
	allocPerByte = 128
	allocAtAll   = 16 << 10
)

func FuzzParse(f *testing.F) {
	for _, v := range frames() {
		m, _, _, _, err := wire.ParseFrame(unhex(f, v.hex))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(m)
	}
	f.Add([]byte("\x03Foo{}"))
	f.Add(meta("RequestSendMessageToSession", `{"session_ids":[1,2,3],"x":{"y":[null]}}`))
	f.Add(meta("RpcRequest", `{"actor_id":-7}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		m, err := koala.Parse(b)
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > uint64(allocPerByte*len(b)+allocAtAll) {
			t.Errorf("%d bytes for %d of input", n, len(b))
		}
		if _, ok := m.(*koala.Unknown); ok || err != nil {
			return
		}
		for _, write := range []func([]byte, koala.Message, []byte) ([]byte, error){koala.Append, koala.AppendAsGateway} {
			once, err := write(nil, m, nil)
			if err != nil {
				t.Fatalf("%+v was read, and cannot be written: %v", m, err)
			}
			again, _, _ := parse(t, once)
			if !reflect.DeepEqual(again, m) {
				t.Errorf("%+v became %+v", m, again)
			}
			if twice, err := write(nil, again, nil); err != nil || !bytes.Equal(once, twice) {
				t.Errorf("%q became %q, %v", once, twice, err)
			}
		}
	})
}
