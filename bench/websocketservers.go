package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"

	"github.com/coder/websocket"
	"github.com/gobwas/ws"
	"github.com/lesismal/nbio/logging"
	"github.com/lesismal/nbio/nbhttp"
	nbws "github.com/lesismal/nbio/nbhttp/websocket"
	"github.com/lxzan/gws"
)

// serveWebSocket answers on /echo what comes, and sends a message that comes on
// /push to all connections there.
func serveWebSocket(_ context.Context, args []string) (string, error) {
	switch args[0] {
	case "gobwas":
		return serveHTTP(serveGobwas())
	case "gws":
		return serveHTTP(serveGWS())
	case "coder":
		return serveHTTP(serveCoder())
	case "nbio":
		return serveNbio()
	}
	return "", fmt.Errorf("no WebSocket library %q", args[0])
}

func serveHTTP(h http.Handler) (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	go func() { _ = http.Serve(listener, h) }()
	return listener.Addr().String(), nil
}

// wsHub has the connections of /push.
type wsHub[C any] struct {
	mu    sync.Mutex
	conns []C
}

func (h *wsHub[C]) join(r *http.Request, c C) (pushes bool) {
	if r.URL.Path != "/push" {
		return false
	}
	h.mu.Lock()
	h.conns = append(h.conns, c)
	h.mu.Unlock()
	return true
}

func (h *wsHub[C]) each(do func(C) error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.conns {
		if err := do(c); err != nil {
			return err
		}
	}
	return nil
}

// serveGobwas uses the codec of frames, over a buffer of its own for each
// connection: the library has none to offer.
func serveGobwas() http.Handler {
	var hub wsHub[net.Conn]
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, _, err := ws.UpgradeHTTP(r, w)
		if err != nil {
			return
		}
		pushes := hub.join(r, conn)
		go func() {
			defer conn.Close()
			in := bufio.NewReaderSize(conn, 512)
			header := make([]byte, ws.MaxHeaderSize)
			var message []byte
			for {
				h, err := ws.ReadHeaderBuffer(in, header)
				if err != nil || ws.CheckHeader(h, ws.StateServerSide) != nil || h.Length > 64<<10 {
					return
				}
				message = append(message[:0], make([]byte, h.Length)...)
				if _, err := io.ReadFull(in, message); err != nil {
					return
				}
				ws.Cipher(message, h.Mask, 0)
				frame := ws.MustCompileFrame(ws.NewBinaryFrame(message))
				if pushes {
					err = hub.each(func(c net.Conn) error { _, err := c.Write(frame); return err })
				} else {
					_, err = conn.Write(frame)
				}
				if err != nil {
					return
				}
			}
		}()
	})
}

type gwsServer struct {
	gws.BuiltinEventHandler
	upgrader *gws.Upgrader
	hub      wsHub[*gws.Conn]
}

func serveGWS() http.Handler {
	s := &gwsServer{}
	s.upgrader = gws.NewUpgrader(s, &gws.ServerOption{CheckUtf8Enabled: true, ReadMaxPayloadSize: 64 << 10})
	return s
}

func (s *gwsServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := s.upgrader.Upgrade(w, r)
	if err != nil {
		return
	}
	if s.hub.join(r, conn) {
		conn.Session().Store("pushes", true)
	}
	go conn.ReadLoop()
}

func (s *gwsServer) OnMessage(conn *gws.Conn, m *gws.Message) {
	defer m.Close()
	if _, pushes := conn.Session().Load("pushes"); pushes {
		all := gws.NewBroadcaster(m.Opcode, m.Bytes())
		defer all.Close()
		_ = s.hub.each(all.Broadcast)
		return
	}
	_ = conn.WriteMessage(m.Opcode, m.Bytes())
}

// serveCoder reads in the handler, as that library wants it: its connection
// cannot outlive the request's context, and it has no prepared messages.
func serveCoder() http.Handler {
	var hub wsHub[*websocket.Conn]
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionDisabled})
		if err != nil {
			return
		}
		defer conn.CloseNow()
		conn.SetReadLimit(64 << 10)
		pushes := hub.join(r, conn)
		ctx := context.Background()
		for {
			kind, message, err := conn.Read(ctx)
			if err != nil {
				return
			}
			if pushes {
				err = hub.each(func(c *websocket.Conn) error { return c.Write(ctx, kind, message) })
			} else {
				err = conn.Write(ctx, kind, message)
			}
			if err != nil {
				return
			}
		}
	})
}

// serveNbio has the library's own HTTP server, with its poller.
func serveNbio() (string, error) {
	logging.SetLevel(logging.LevelNone)
	var hub wsHub[*nbws.Conn]
	echo, push := nbws.NewUpgrader(), nbws.NewUpgrader()
	echo.OnMessage(func(c *nbws.Conn, kind nbws.MessageType, message []byte) { _ = c.WriteMessage(kind, message) })
	push.OnMessage(func(_ *nbws.Conn, kind nbws.MessageType, message []byte) {
		_ = hub.each(func(c *nbws.Conn) error { return c.WriteMessage(kind, message) })
	})
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) { _, _ = echo.Upgrade(w, r, nil) })
	mux.HandleFunc("/push", func(w http.ResponseWriter, r *http.Request) {
		if conn, err := push.Upgrade(w, r, nil); err == nil {
			hub.join(r, conn)
		}
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	addr := listener.Addr().String()
	engine := nbhttp.NewEngine(nbhttp.Config{
		Network: "tcp", Addrs: []string{addr}, Handler: mux, IOMod: nbhttp.IOModNonBlocking,
		ReleaseWebsocketPayload: true,
		Listen:                  func(string, string) (net.Listener, error) { return listener, nil },
	})
	return addr, engine.Start()
}
