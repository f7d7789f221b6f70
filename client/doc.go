// Package client keeps one session with a gateway, over WebSocket, TCP, TLS or
// QUIC: it comes back by itself when a connection is lost or a gateway stops,
// and gets what it has missed, or is told that it has missed something.
//
//	conn, err := client.Dial(ctx, client.Config{
//		URLs:  []string{"wss://game.example/"},
//		Login: client.Login(map[string]any{"open_id": "ada", "server_id": 1}),
//	})
//	err = conn.Send(ctx, mallee.Text("hello"))
//	message, err := conn.Receive(ctx)
//
// docs/gateway.md describes the protocol, client/ts is the same for browsers.
package client
