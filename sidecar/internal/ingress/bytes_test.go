package ingress_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/klauspost/compress/gzip"
)

// envelope is a message in an envelope.
func envelope(flags byte, message []byte) string {
	b := binary.BigEndian.AppendUint32([]byte{flags}, uint32(len(message)))
	return string(append(b, message...))
}

func compressed(t testing.TB, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
