package carrier_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf8"

	"github.com/mallee-io/mallee/gateway/internal/carrier"
	"github.com/mallee-io/mallee/wire/edge"
)

// script is a socket on which a client has said all that it will say.
type script struct{ io.Reader }

func (script) Write(b []byte) (int, error)      { return len(b), nil }
func (script) Close() error                     { return nil }
func (script) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (script) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (script) SetDeadline(time.Time) error      { return nil }
func (script) SetReadDeadline(time.Time) error  { return nil }
func (script) SetWriteDeadline(time.Time) error { return nil }

func say(b []byte, dribble bool) script {
	r := io.Reader(strings.NewReader(string(b)))
	if dribble {
		r = iotest.OneByteReader(r)
	}
	return script{r}
}

// once is a listener that has one connection.
type once struct {
	script
	accepted bool
}

func (o *once) Addr() net.Addr { return o.LocalAddr() }
func (o *once) Accept() (net.Conn, error) {
	if o.accepted {
		return nil, net.ErrClosed
	}
	o.accepted = true
	return o.script, nil
}

// hijackable is the answer to a request on a script.
type hijackable struct {
	*httptest.ResponseRecorder
	script script
}

func (h hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.script, bufio.NewReadWriter(bufio.NewReader(strings.NewReader("")), bufio.NewWriter(h.script)), nil
}

const fuzzLargest = 300

// readAll checks what comes of whatever a client says: frames within bounds,
// and then an error that says why it ended.
func readAll(t *testing.T, conn carrier.Conn) {
	for {
		f, err := conn.Read()
		if err == nil {
			if !f.Kind.FromClient() || len(f.Data) > f.Kind.Largest(fuzzLargest) || f.Kind == edge.KindText && !utf8.Valid(f.Data) {
				t.Fatalf("kind %d with %d bytes was taken", f.Kind, len(f.Data))
			}
			continue
		}
		var closed *carrier.Closed
		if errors.As(err, &closed) {
			if !closed.Client && (closed.Code < 1000 || closed.Reason == "") {
				t.Fatalf("refused with %d, %q", closed.Code, closed.Reason)
			}
		} else if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatal(err)
		}
		conn.Close(edge.CodeNormal, "")
		return
	}
}

func FuzzStream(f *testing.F) {
	f.Add(edge.AppendFrame(edge.AppendFrame(nil, edge.KindText, []byte("hi")), edge.KindPing, nil), false)
	f.Add([]byte("\x00\x00\x01\x2d\x04x"), true)
	f.Add(edge.AppendFrame(nil, edge.KindClose, []byte(`{"code":1000}`)), true)
	f.Fuzz(func(t *testing.T, b []byte, dribble bool) {
		conns := make(chan carrier.Conn, 1)
		err := carrier.New(carrier.Config{MaxMessage: fuzzLargest}).ServeTCP(&once{script: say(b, dribble)}, func(c carrier.Conn) { conns <- c })
		if err != nil {
			t.Fatal(err)
		}
		readAll(t, <-conns)
	})
}

func FuzzWebSocket(f *testing.F) {
	f.Add(append(masked(0x81, "hi"), masked(0x88, "\x03\xe8bye")...), false, false)
	f.Add(append(append(masked(0x02, "\x04hi"), masked(0x89, "ping")...), masked(0x80, "ho")...), true, true)
	f.Add([]byte("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xffabcd"), false, true)
	f.Fuzz(func(t *testing.T, b []byte, framed, dribble bool) {
		readAll(t, upgraded(t, b, framed, dribble))
	})
}

// upgraded is a WebSocket on a script.
func upgraded(t *testing.T, b []byte, framed, dribble bool) carrier.Conn {
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(handshake(""))))
	if err != nil {
		t.Fatal(err)
	}
	if framed {
		r.Header.Set("Sec-WebSocket-Protocol", edge.Subprotocol)
	}
	conn, err := carrier.New(carrier.Config{MaxMessage: fuzzLargest}).Upgrade(hijackable{httptest.NewRecorder(), say(b, dribble)}, r)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}
