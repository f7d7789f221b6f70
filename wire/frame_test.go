package wire_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/mallee-io/mallee/wire"
)

func TestFrames(t *testing.T) {
	t.Parallel()
	var b []byte
	var err error
	for _, f := range [][2]string{{"meta", "body"}, {"", ""}, {"m", ""}, {"", "b"}} {
		if b, err = wire.AppendFrame(b, []byte(f[0]), []byte(f[1])); err != nil {
			t.Fatal(err)
		}
	}
	if want := "KOLA\x04\x00\x00\x00\x04\x00\x00\x00metabody"; string(b[:20]) != want {
		t.Errorf("%q, want %q", b[:20], want)
	}
	for cut := range b { // whatever part has arrived
		rest, n := b[:cut], 0
		for {
			_, _, r, complete, err := wire.ParseFrame(rest)
			if err != nil {
				t.Fatalf("after %d bytes: %v", cut, err)
			}
			if !complete {
				break
			}
			rest, n = r, n+1
		}
		if want := map[bool]int{true: 3}[cut == len(b)-1]; cut == len(b)-1 && n != want {
			t.Errorf("%d frames in %d bytes", n, cut)
		}
	}
	for _, bad := range []string{"k", "KOLB", "GET / HTTP/1.1\r\n", "KOLA\xff\xff\xff\xff\x00\x00\x00\x00", "KOLA\x00\x00\x00\x00\x01\x00\x00\x01"} {
		if _, _, _, _, err := wire.ParseFrame([]byte(bad)); !errors.Is(err, wire.ErrFrame) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := wire.AppendFrame(nil, make([]byte, wire.MaxFrameMeta+1), nil); err == nil {
		t.Error("a meta that is too long")
	}
	if _, err := wire.AppendFrame(nil, nil, make([]byte, wire.MaxFrameBody+1)); err == nil {
		t.Error("a body that is too long")
	}
}

func FuzzParseFrame(f *testing.F) {
	f.Add([]byte("KOLA\x01\x00\x00\x00\x02\x00\x00\x00mbb"))
	f.Add([]byte("KOL"))
	f.Fuzz(func(t *testing.T, b []byte) {
		meta, body, rest, complete, err := wire.ParseFrame(b)
		if err != nil || !complete {
			return
		}
		again, err := wire.AppendFrame(nil, meta, body)
		if err != nil || !bytes.Equal(append(again, rest...), b) {
			t.Errorf("%q became %q, %v", b, again, err)
		}
	})
}
