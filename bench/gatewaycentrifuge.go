package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/centrifugal/centrifuge"
	"github.com/centrifugal/protocol"
)

// centrifugal is a server of centrifuge, which lets clients subscribe to
// channels. Here they send messages to the server itself, which come back, and
// nobody subscribes.
type centrifugal struct{ peer *peer }

var _ wsServer = (*centrifugal)(nil)

func isCentrifugal(c contestant) bool {
	_, ok := c.(*centrifugal)
	return ok
}

func (c *centrifugal) Start(ctx context.Context, _ int) (err error) {
	c.peer, err = startPeer(ctx, "centrifuge")
	return err
}

func (c *centrifugal) Stop(context.Context) error { return c.peer.stop() }

func (c *centrifugal) residentBytes() (int64, error) { return c.peer.residentBytes() }

func (c *centrifugal) dial(path string, n int) ([]*wsClient, error) {
	if path != "echo" {
		return nil, fmt.Errorf("centrifuge does not serve /%s here", path)
	}
	message := wsPayload()
	connect, err1 := delimited(&protocol.Command{Id: 1, Connect: &protocol.ConnectRequest{}})
	out, err2 := delimited(&protocol.Command{Send: &protocol.SendRequest{Data: message}})
	in, err3 := delimited(&protocol.Reply{Push: &protocol.Push{Message: &protocol.Message{Data: message}}})
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	return dialWS(c.peer.addr+"/?format=protobuf", n, &dialect{
		login: func(int) []byte { return connect }, answered: true, out: out, in: in,
	})
}

// delimited has its length in front.
func delimited(m interface{ MarshalVT() ([]byte, error) }) ([]byte, error) {
	b, err := m.MarshalVT()
	return append(binary.AppendUvarint(nil, uint64(len(b))), b...), err
}

// serveCentrifuge has its defaults, but that pings are rarer than a bench is
// long: its clients do not answer them.
func serveCentrifuge(context.Context, []string) (string, error) {
	n, err := centrifuge.New(centrifuge.Config{})
	if err != nil {
		return "", err
	}
	n.OnConnecting(func(context.Context, centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		return centrifuge.ConnectReply{Credentials: &centrifuge.Credentials{}}, nil
	})
	n.OnConnect(func(c *centrifuge.Client) {
		c.OnMessage(func(m centrifuge.MessageEvent) { _ = c.Send(m.Data) })
	})
	if err := n.Run(); err != nil {
		return "", err
	}
	return serveHTTP(centrifuge.NewWebsocketHandler(n, centrifuge.WebsocketConfig{
		PingPongConfig: centrifuge.PingPongConfig{PingInterval: 10 * time.Minute},
	}))
}
