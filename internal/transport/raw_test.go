package transport_test

import (
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/mallee-io/mallee/internal/transport"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/wire"
)

// rawPeer speaks to a node by bytes.
type rawPeer struct {
	net.Conn
	t testing.TB
}

const (
	rawVersion = 1
	rawHello   = 64
	rawWelcome = 65
	rawRefusal = 66
	rawReady   = 67
	rawPing    = 68
	rawClosing = 69
	rawClosed  = 70
)

func dialRaw(t testing.TB, r *recorder) *rawPeer {
	t.Helper()
	conn, err := net.Dial("tcp", r.Network.(*transport.TCP).Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return &rawPeer{conn, t}
}

func rawText(s string) string { return string(rune(len(s))) + s }

func (p *rawPeer) frame(meta, body string) {
	p.t.Helper()
	b, err := wire.AppendFrame(nil, []byte(meta), []byte(body))
	if err != nil {
		p.t.Fatal(err)
	}
	p.bytes(string(b))
}

func (p *rawPeer) bytes(b string) {
	p.t.Helper()
	if _, err := io.WriteString(p, b); err != nil {
		p.t.Fatal(err)
	}
}

// answer reads a frame without a body.
func (p *rawPeer) answer() string {
	p.t.Helper()
	header := make([]byte, wire.FrameHeader)
	if _, err := io.ReadFull(p, header); err != nil {
		p.t.Fatalf("no answer: %v", err)
	}
	meta := make([]byte, binary.LittleEndian.Uint32(header[4:]))
	if _, err := io.ReadFull(p, meta); err != nil {
		p.t.Fatal(err)
	}
	return string(meta)
}

// ended waits until the node has closed the connection.
func (p *rawPeer) ended() {
	p.t.Helper()
	_, err := io.Copy(io.Discard, p)
	if timeout, ok := err.(net.Error); ok && timeout.Timeout() { //nolint:errorlint // of a plain connection
		p.t.Error("the connection stays open")
	}
}

func helloMeta(version byte, cluster string, from, to placement.NodeID) string {
	return string([]byte{0, version, rawHello}) + rawText(cluster) + string([]byte{byte(from), byte(to), 0})
}

// shake makes the peer a node.
func shake(t testing.TB, r *recorder, from placement.NodeID) *rawPeer {
	t.Helper()
	p := dialRaw(t, r)
	p.frame(helloMeta(rawVersion, "", from, r.id), "")
	if got := p.answer(); got != string([]byte{0, rawVersion, rawWelcome, 0}) {
		t.Fatalf("welcome %q", got)
	}
	p.frame(string([]byte{0, rawVersion, rawReady}), "")
	p.frame(string(transport.AppendMeta(nil, request(1, ""))), "")
	next(t, r.got, "message")
	return p
}

// logged collects what a network logs.
type logged chan string

func (l logged) Enabled(context.Context, slog.Level) bool { return true }
func (l logged) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l logged) WithGroup(string) slog.Handler            { return l }
func (l logged) Handle(_ context.Context, r slog.Record) error {
	line := r.Message
	r.Attrs(func(a slog.Attr) bool {
		line += " " + a.String()
		return true
	})
	select {
	case l <- line:
	default:
	}
	return nil
}

// expect waits for a line of the log.
func (l logged) expect(t testing.TB, part string) {
	t.Helper()
	for {
		if line := next(t, l, "line with "+part); strings.Contains(line, part) {
			return
		}
	}
}
