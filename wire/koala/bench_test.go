package koala_test

import (
	"bytes"
	"testing"

	"github.com/mallee-io/mallee/wire/koala"
)

func BenchmarkAppend(b *testing.B) {
	m := &koala.RPCRequest{ServiceName: "IPlayer", MethodName: "echo", ActorID: "1", ReentrantID: 1, RequestID: 1_000_000_001}
	buffer := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := koala.Append(buffer, m, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	in := meta("RpcRequest", `{"service_name":"IPlayer","method_name":"echo","actor_id":"1","reentrant_id":1,"request_id":1000000001,"server_id":0}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := koala.Parse(in); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseArgs(b *testing.B) {
	raw := append(append([]byte("\x80\x05X\x90\x01\x00\x00"), bytes.Repeat([]byte("a"), 400)...), "\x85}\x86."...)
	for name, body := range map[string][]byte{"raw": append([]byte("0"), raw...), "compressed": append([]byte("1"), compress(b, raw)...)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := koala.ParseArgs(body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
