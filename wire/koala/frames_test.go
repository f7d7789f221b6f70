package koala_test

import (
	"encoding/hex"
	"reflect"
	"testing"

	"github.com/mallee-io/mallee/wire"
	"github.com/mallee-io/mallee/wire/koala"
	"github.com/mallee-io/mallee/wire/pickle"
)

const firstPacket = `{"open_id":"1","server_id":2,"timestamp":1212121,"check_sum":"2b3c2c4505f72edccbae6accbde6f1293e7c8a39f2508a032eab616402bbac3b"}`

// Who writes a frame in this form.
const (
	host = 1 << iota
	gateway
	both = host | gateway
)

type frame struct {
	name   string
	writer int
	m      koala.Message
	body   string
	hex    string
}

func args(positional pickle.Tuple, named pickle.Dict) string {
	return must(koala.AppendArgs(nil, positional, named))
}

func result(v any) string { return must(koala.AppendResult(nil, v)) }

func must(b []byte, err error) string {
	if err != nil {
		panic(err)
	}
	return string(b)
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The frames of Koala's specification.
func frames() []frame {
	return []frame{
		{"F1", both, &koala.RequestHeartBeat{MilliSeconds: 1650000000123}, "",
			"4b4f4c41300000000000000010526571756573744865617274426561747b226d696c6c695f7365636f6e6473223a313635303030303030303132337d"},
		{"F2", gateway, &koala.NotifyNewActorMessage{SessionID: 20000000007, ActorType: "IPlayer", ActorID: "1"}, "hello",
			"4b4f4c416100000005000000154e6f746966794e65774163746f724d6573736167657b2273657373696f6e5f6964223a32303030303030303030372c226163746f725f74797065223a2249506c61796572222c226163746f725f6964223a2231222c227472616365223a22227d68656c6c6f"},
		{"F3", host, &koala.RequestSendMessageToSession{SessionID: 20000000007}, "\x00\xffhi",
			"4b4f4c4149000000040000001b5265717565737453656e644d657373616765546f53657373696f6e7b2273657373696f6e5f696473223a6e756c6c2c2273657373696f6e5f6964223a32303030303030303030377d00ff6869"},
		{"F4", both, &koala.RPCRequest{ServiceName: "IPlayer", MethodName: "echo", ActorID: "1", ReentrantID: 1, RequestID: 1000000001}, args(pickle.Tuple{"hello"}, pickle.Dict{}),
			"4b4f4c41800000001b0000000a527063526571756573747b22736572766963655f6e616d65223a2249506c61796572222c226d6574686f645f6e616d65223a226563686f222c226163746f725f6964223a2231222c227265656e7472616e745f6964223a312c22726571756573745f6964223a313030303030303030312c227365727665725f6964223a307d308005950f000000000000008c0568656c6c6f9485947d9486942e"},
		{"F5", both, &koala.RPCResponse{RequestID: 1000000001}, result("hello"),
			"4b4f4c4143000000150000000b527063526573706f6e73657b22726571756573745f6964223a313030303030303030312c226572726f725f636f6465223a302c226572726f725f737472223a22227d3080059509000000000000008c0568656c6c6f942e"},
		{"F6", both, &koala.RequestAccountLogin{OpenID: "1", ServerID: 2, SessionID: 20000000007}, firstPacket,
			"4b4f4c414a0000008000000013526571756573744163636f756e744c6f67696e7b226f70656e5f6964223a2231222c227365727665725f6964223a322c2273657373696f6e5f6964223a32303030303030303030377d7b226f70656e5f6964223a2231222c227365727665725f6964223a322c2274696d657374616d70223a313231323132312c22636865636b5f73756d223a2232623363326334353035663732656463636261653661636362646536663132393365376338613339663235303861303332656162363136343032626261633362227d"},
		{"F7", both, &koala.ResponseAccountLogin{SessionID: 20000000007, ActorType: "IPlayer", ActorID: "1"}, "",
			"4b4f4c41550000000000000014526573706f6e73654163636f756e744c6f67696e7b2273657373696f6e5f6964223a32303030303030303030372c226163746f725f74797065223a2249506c61796572222c226163746f725f6964223a2231227d"},
		{"F8", gateway, &koala.NotifyNewActorSession{ActorType: "IPlayer", ActorID: "1", SessionID: 20000000007, OpenID: "1", ServerID: 3}, firstPacket,
			"4b4f4c417200000080000000154e6f746966794e65774163746f7253657373696f6e7b226163746f725f74797065223a2249506c61796572222c226163746f725f6964223a2231222c2273657373696f6e5f6964223a32303030303030303030372c226f70656e5f6964223a2231222c227365727665725f6964223a337d7b226f70656e5f6964223a2231222c227365727665725f6964223a322c2274696d657374616d70223a313231323132312c22636865636b5f73756d223a2232623363326334353035663732656463636261653661636362646536663132393365376338613339663235303861303332656162363136343032626261633362227d"},
		{"F9", both, koala.Failure(1000000001, koala.PositionChanged, "position changed"), koala.FailureBody,
			"4b4f4c4157000000030000000b527063526573706f6e73657b22726571756573745f6964223a313030303030303030312c226572726f725f636f6465223a31303030362c226572726f725f737472223a22706f736974696f6e206368616e676564227d304e2e"},
		{"F10", both, &koala.NotifyActorSessionAborted{SessionID: 20000000007, ActorType: "IPlayer", ActorID: "1"}, "",
			"4b4f4c415a00000000000000194e6f746966794163746f7253657373696f6e41626f727465647b2273657373696f6e5f6964223a32303030303030303030372c226163746f725f74797065223a2249506c61796572222c226163746f725f6964223a2231227d"},
	}
}

func TestFrames(t *testing.T) {
	t.Parallel()
	for _, f := range frames() {
		want := unhex(t, f.hex)
		for writer, write := range map[int]func([]byte, koala.Message, []byte) ([]byte, error){host: koala.Append, gateway: koala.AppendAsGateway} {
			got, err := write([]byte("before"), f.m, []byte(f.body))
			if same := string(got) == "before"+string(want); err != nil || same != (f.writer&writer != 0) {
				t.Errorf("%s: writer %d gave\n%q, %v\n%q", f.name, writer, got, err, want)
			}
		}
		m, body, rest := parse(t, want)
		if !reflect.DeepEqual(m, f.m) || string(body) != f.body || len(rest) != 0 {
			t.Errorf("%s: %+v, %q; want %+v, %q", f.name, m, body, f.m, f.body)
		}
	}
}

// parse splits the first frame off, and reads it.
func parse(t *testing.T, b []byte) (m koala.Message, body, rest []byte) {
	t.Helper()
	meta, body, rest, complete, err := wire.ParseFrame(b)
	if err != nil || !complete {
		t.Fatalf("%q: %v, %v", b, complete, err)
	}
	if m, err = koala.Parse(meta); err != nil {
		t.Fatal(err)
	}
	return m, body, rest
}

// What stands in one buffer is read one after the other, wherever it is cut.
func TestFramesInOneBuffer(t *testing.T) {
	t.Parallel()
	all := frames()
	f1, f2, f3 := unhex(t, all[0].hex), unhex(t, all[1].hex), unhex(t, all[2].hex)
	unknown := unhex(t, "4b4f4c41060000000000000003466f6f7b7d")
	for _, sequence := range [][][]byte{{f1, f1}, {f3, f1}, {unknown, f1}} {
		b := append(append([]byte(nil), sequence[0]...), sequence[1]...)
		first, _, rest := parse(t, b)
		if u, ok := first.(*koala.Unknown); ok && u.Type != "Foo" {
			t.Errorf("%q", u.Type)
		}
		if second, _, rest := parse(t, rest); !reflect.DeepEqual(second, all[0].m) || len(rest) != 0 {
			t.Errorf("%+v, then %q", second, rest)
		}
	}
	for cut := range f2 {
		if _, _, _, complete, err := wire.ParseFrame(f2[:cut]); complete || err != nil {
			t.Errorf("F2 cut at %d: %v, %v", cut, complete, err)
		}
	}
}

// What a client, a gateway and the sample host say to each other.
func TestExchange(t *testing.T) {
	t.Parallel()
	session, err := koala.SessionID(6, 3)
	if err != nil {
		t.Fatal(err)
	}
	asGateway, asHost := koala.AppendAsGateway, koala.Append
	for _, v := range []struct {
		write func([]byte, koala.Message, []byte) ([]byte, error)
		m     koala.Message
		name  string
		json  string
	}{
		{asGateway, &koala.RequestAccountLogin{OpenID: "open_id_1", ServerID: 1, SessionID: session},
			"RequestAccountLogin", `{"open_id":"open_id_1","server_id":1,"session_id":60000000003}`},
		{asHost, &koala.ResponseAccountLogin{SessionID: session, ActorType: "IPlayer", ActorID: "1"},
			"ResponseAccountLogin", `{"session_id":60000000003,"actor_type":"IPlayer","actor_id":"1"}`},
		{asGateway, &koala.NotifyNewActorSession{OpenID: "open_id_1", ServerID: 1, ActorType: "IPlayer", ActorID: "1", SessionID: session},
			"NotifyNewActorSession", `{"actor_type":"IPlayer","actor_id":"1","session_id":60000000003,"open_id":"open_id_1","server_id":1}`},
		{asHost, &koala.RequestSendMessageToSession{SessionID: session},
			"RequestSendMessageToSession", `{"session_ids":null,"session_id":60000000003}`},
		{asGateway, &koala.NotifyNewActorMessage{SessionID: session, ActorType: "IPlayer", ActorID: "1"},
			"NotifyNewActorMessage", `{"session_id":60000000003,"actor_type":"IPlayer","actor_id":"1","trace":""}`},
		{asGateway, &koala.NotifyActorSessionAborted{SessionID: session, ActorType: "IPlayer", ActorID: "1"},
			"NotifyActorSessionAborted", `{"session_id":60000000003,"actor_type":"IPlayer","actor_id":"1"}`},
		// Forms that the exchange does not have.
		{asHost, &koala.NotifyNewActorSession{OpenID: "o", ServerID: 1, ActorType: "IPlayer", ActorID: "1", SessionID: session},
			"NotifyNewActorSession", `{"open_id":"o","server_id":1,"actor_type":"IPlayer","actor_id":"1","session_id":60000000003}`},
		{asHost, &koala.NotifyNewActorMessage{SessionID: session, ActorType: "IPlayer", ActorID: "1"},
			"NotifyNewActorMessage", `{"session_id":60000000003,"actor_type":"IPlayer","actor_id":"1"}`},
		{asHost, &koala.RequestSendMessageToSession{SessionIDs: []int64{1, session}},
			"RequestSendMessageToSession", `{"session_ids":[1,60000000003],"session_id":0}`},
		{asGateway, &koala.RequestSendMessageToSession{SessionIDs: []int64{}, SessionID: 1},
			"RequestSendMessageToSession", `{"session_id":1,"session_ids":[]}`},
		{asHost, &koala.RequestCloseSession{SessionID: session, ActorType: "IPlayer"},
			"RequestCloseSession", `{"session_id":60000000003,"actor_type":"IPlayer"}`},
		{asHost, &koala.ResponseHeartBeat{MilliSeconds: 1650000000123},
			"ResponseHeartBeat", `{"milli_seconds":1650000000123}`},
		{asHost, &koala.RPCRequest{ActorID: "-7", IntegerID: true, RequestID: 9007199254740993, ReentrantID: 1<<63 - 1},
			"RpcRequest", `{"service_name":"","method_name":"","actor_id":-7,"reentrant_id":9223372036854775807,"request_id":9007199254740993,"server_id":0}`},
	} {
		b, err := v.write(nil, v.m, []byte("body"))
		if err != nil {
			t.Fatal(err)
		}
		meta, _, _, _, err := wire.ParseFrame(b)
		if want := string(rune(len(v.name))) + v.name + v.json; err != nil || string(meta) != want {
			t.Errorf("%q, %v; want %q", meta, err, want)
		}
		if m, body, _ := parse(t, b); !reflect.DeepEqual(m, v.m) || string(body) != "body" {
			t.Errorf("%+v became %+v", v.m, m)
		}
	}
}
