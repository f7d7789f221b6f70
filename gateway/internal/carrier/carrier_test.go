package carrier_test

import (
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mallee-io/mallee/gateway/internal/carrier"
	"github.com/mallee-io/mallee/wire/edge"
)

// onEach runs a test on carriers side by side.
func onEach(t *testing.T, dialers map[string]dialer, c carrier.Config, test func(t *testing.T, cl *client, conn carrier.Conn)) {
	for name, dial := range dialers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cl, conn := dial(t, c)
			test(t, cl, conn)
		})
	}
}

func TestDataGoesBothWays(t *testing.T) {
	t.Parallel()
	onEach(t, carriers(), carrier.Config{}, func(t *testing.T, cl *client, conn carrier.Conn) {
		if conn.Framed() == cl.plain || !conn.Remote().Addr().IsLoopback() {
			t.Error("framed:", conn.Framed(), "remote:", conn.Remote())
		}
		before := conn.Heard()
		for _, size := range []int{0, 1, 125, 126, 511, 512, 513, 5_000, 65_535, 65_536} {
			data := strings.Repeat("ä", size/2) + strings.Repeat("x", size%2)
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				cl.send(edge.KindText, data)
				cl.send(edge.KindBinary, data)
			}()
			mustRead(t, conn, edge.KindText, data)
			mustRead(t, conn, edge.KindBinary, data)
			<-sent
			wrote := make(chan error, 1)
			go func() {
				wrote <- conn.Write([]*carrier.Outgoing{outgoing(edge.KindText, data), outgoing(edge.KindBinary, data)})
			}()
			cl.expect(edge.KindText, data)
			cl.expect(edge.KindBinary, data)
			if err := <-wrote; err != nil {
				t.Fatal(err)
			}
		}
		if conn.Heard() != before+20 {
			t.Error("heard", conn.Heard()-before)
		}
	})
}

func TestManyFramesInOneWrite(t *testing.T) {
	t.Parallel()
	onEach(t, carriers(), carrier.Config{}, func(t *testing.T, cl *client, conn carrier.Conn) {
		var frames []*carrier.Outgoing
		for i := range 1000 {
			frames = append(frames, outgoing(edge.KindBinary, strings.Repeat("x", i)))
		}
		frames = append(frames, outgoing(edge.KindBinary, strings.Repeat("y", 70_000)), outgoing(edge.KindText, "end"))
		wrote := make(chan error, 1)
		go func() { wrote <- conn.Write(frames) }()
		for _, f := range frames {
			cl.expect(f.Kind, string(f.Data))
		}
		if err := <-wrote; err != nil {
			t.Fatal(err)
		}
	})
}

func TestPlainConnectionsGetDataAlone(t *testing.T) {
	t.Parallel()
	cl, conn := dialPlain(t, carrier.Config{})
	if err := conn.Write([]*carrier.Outgoing{outgoing(edge.KindWelcome, "{}"), outgoing(edge.KindText, "hi"), outgoing(edge.KindLost, "{}")}); err != nil {
		t.Fatal(err)
	}
	if err := conn.Write([]*carrier.Outgoing{outgoing(edge.KindMove, "{}")}); err != nil {
		t.Fatal(err)
	}
	if err := conn.Write([]*carrier.Outgoing{outgoing(edge.KindBinary, "ho")}); err != nil {
		t.Fatal(err)
	}
	cl.expect(edge.KindText, "hi")
	cl.expect(edge.KindBinary, "ho")
}

func TestPings(t *testing.T) {
	t.Parallel()
	onEach(t, framedCarriers(), carrier.Config{}, func(t *testing.T, cl *client, conn carrier.Conn) {
		if err := conn.Ping(); err != nil {
			t.Fatal(err)
		}
		if cl.message {
			cl.expect(0x89, "")
		} else {
			cl.expect(edge.KindPing, "")
		}
		before := conn.Heard()
		cl.send(edge.KindPing, "are you there?")
		cl.send(edge.KindPong, "")
		cl.send(edge.KindBinary, "x")
		mustRead(t, conn, edge.KindBinary, "x")
		cl.expect(edge.KindPong, "are you there?")
		if conn.Heard() != before+3 {
			t.Error("heard", conn.Heard()-before)
		}
	})
}

// No ping of a client that reads is left without an answer.
func TestPingAfterPing(t *testing.T) {
	t.Parallel()
	onEach(t, framedCarriers(), carrier.Config{}, func(t *testing.T, cl *client, conn carrier.Conn) {
		go func() {
			for {
				if _, err := conn.Read(); err != nil {
					return
				}
			}
		}()
		for i := range 50 {
			if err := conn.Ping(); err != nil {
				t.Fatal(err)
			}
			cl.send(edge.KindPing, strconv.Itoa(i))
			for {
				kind, payload, err := cl.next()
				if err != nil {
					t.Fatal(err)
				}
				if kind == edge.KindPong && string(payload) == strconv.Itoa(i) {
					break
				}
			}
		}
	})
}

func TestCloseTellsTheClient(t *testing.T) {
	t.Parallel()
	onEach(t, carriers(), carrier.Config{CloseTimeout: patience}, func(t *testing.T, cl *client, conn carrier.Conn) {
		read := make(chan error, 1)
		go func() { _, err := conn.Read(); read <- err }()
		closed := make(chan struct{})
		go func() { conn.Close(edge.CodeDrain, strings.Repeat("ä", 100)); close(closed) }()
		if code, reason := cl.farewell(); code != edge.CodeDrain || reason != strings.Repeat("ä", 61) {
			t.Error(code, reason)
		}
		<-closed
		if err := <-read; !errors.Is(err, net.ErrClosed) {
			t.Error("Read returns", err)
		}
		if _, err := conn.Read(); !errors.Is(err, net.ErrClosed) {
			t.Error("Read after Close returns", err)
		}
		if err := conn.Write([]*carrier.Outgoing{outgoing(edge.KindText, "late")}); err == nil {
			t.Error("Write after Close succeeds")
		}
		conn.Close(edge.CodeInternal, "again")
	})
}

func TestWhatWasWrittenComesBeforeTheClose(t *testing.T) {
	t.Parallel()
	onEach(t, carriers(), carrier.Config{CloseTimeout: patience}, func(t *testing.T, cl *client, conn carrier.Conn) {
		cl.send(edge.KindBinary, "never read") // a socket with unread bytes would be reset
		data := strings.Repeat("x", 60_000)
		go func() {
			_ = conn.Write([]*carrier.Outgoing{outgoing(edge.KindText, data)})
			conn.Close(edge.CodeKicked, "bye")
		}()
		cl.expect(edge.KindText, data)
		if code, reason := cl.farewell(); code != edge.CodeKicked || reason != "bye" {
			t.Error(code, reason)
		}
	})
}

func TestTheClientCloses(t *testing.T) {
	t.Parallel()
	onEach(t, carriers(), carrier.Config{CloseTimeout: patience}, func(t *testing.T, cl *client, conn carrier.Conn) {
		if cl.message {
			cl.raw(masked(0x88, "\x03\xe9left"))
		} else {
			cl.send(edge.KindClose, `{"code":1001,"reason":"left"}`)
		}
		var closed *carrier.Closed
		if _, err := conn.Read(); !errors.As(err, &closed) || !closed.Client || closed.Code != edge.CodeGoingAway || closed.Reason != "left" {
			t.Fatal(err)
		}
		conn.Close(closed.Code, closed.Reason) // does not wait
		if !cl.message {
			return // the last word was the client's
		}
		if code, _ := cl.farewell(); code != edge.CodeGoingAway {
			t.Error(code)
		}
	})
}

func TestTheClientVanishes(t *testing.T) {
	t.Parallel()
	onEach(t, carriers(), carrier.Config{CloseTimeout: patience}, func(t *testing.T, cl *client, conn carrier.Conn) {
		cl.send(edge.KindBinary, "x")
		mustRead(t, conn, edge.KindBinary, "x")
		_ = cl.to.Close()
		var closed *carrier.Closed
		if _, err := conn.Read(); err == nil || errors.As(err, &closed) {
			t.Error("Read returns", err)
		}
		conn.Close(edge.CodeInternal, "") // does not wait
	})
}

// What is on its way when the gateway closes does not delay the end.
func TestTheClientLeavesAmidTraffic(t *testing.T) {
	t.Parallel()
	onEach(t, webSockets(), carrier.Config{CloseTimeout: patience}, func(t *testing.T, cl *client, conn carrier.Conn) {
		closed := make(chan struct{})
		go func() { conn.Close(edge.CodeDrain, "the gateway stops"); close(closed) }()
		if kind, _, err := cl.next(); kind != 0x88 || err != nil {
			t.Fatal(kind, err)
		}
		cl.send(edge.KindBinary, strings.Repeat("x", 5_000))
		cl.raw(masked(0x89, "ping"))
		cl.raw(masked(0x88, "\x0f\xa0"))
		if _, _, err := cl.next(); !errors.Is(err, io.EOF) {
			t.Error("the socket is not closed:", err)
		}
		<-closed
	})
}

// A close handshake that never ends.
func TestTheClientDoesNotLeave(t *testing.T) {
	t.Parallel()
	onEach(t, carriers(), carrier.Config{CloseTimeout: 50 * time.Millisecond}, func(t *testing.T, cl *client, conn carrier.Conn) {
		conn.Close(edge.CodeKicked, "bye")
		for {
			if _, _, err := cl.next(); err != nil {
				return // closed, although the client has said nothing
			}
		}
	})
}

func TestTheClientDoesNotRead(t *testing.T) {
	t.Parallel()
	onEach(t, carriers(), carrier.Config{WriteTimeout: 100 * time.Millisecond, CloseTimeout: 50 * time.Millisecond}, func(t *testing.T, _ *client, conn carrier.Conn) {
		frame := outgoing(edge.KindBinary, strings.Repeat("x", 1<<20))
		for range 1000 {
			if err := conn.Write([]*carrier.Outgoing{frame, frame}); err != nil {
				conn.Close(edge.CodeSlow, "the client does not read")
				return
			}
		}
		t.Error("2 GB were written to a client that does not read")
	})
}

// Close does not wait for a Write that waits for the client.
func TestCloseWhileTheClientDoesNotRead(t *testing.T) {
	t.Parallel()
	onEach(t, carriers(), carrier.Config{WriteTimeout: time.Hour, CloseTimeout: 50 * time.Millisecond}, func(t *testing.T, _ *client, conn carrier.Conn) {
		frame := outgoing(edge.KindBinary, strings.Repeat("x", 1<<16))
		began, wrote := make(chan struct{}), make(chan error, 1)
		go func() {
			for i := 0; ; i++ {
				if err := conn.Write([]*carrier.Outgoing{frame}); err != nil {
					wrote <- err
					return
				}
				if i == 0 {
					close(began)
				}
			}
		}()
		<-began
		conn.Close(edge.CodeDrain, "the gateway stops")
		<-wrote
	})
}
