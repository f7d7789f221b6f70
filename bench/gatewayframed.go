package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"golang.org/x/sync/errgroup"

	"github.com/mallee-io/mallee/wire/edge"
)

// framedClient is a client that can resume.
type framedClient struct {
	conn net.Conn
	core *edge.Client
	name string
}

// dialFramed connects clients that have echoed one message each.
func dialFramed(ctx context.Context, addr string, n int) ([]*framedClient, error) {
	clients := make([]*framedClient, n)
	var g errgroup.Group
	g.SetLimit(64)
	for i := range clients {
		clients[i] = &framedClient{core: edge.NewClient(16, 1<<20), name: strconv.Itoa(i)}
		g.Go(func() error {
			if _, err := clients[i].connect(ctx, addr); err != nil {
				return err
			}
			return clients[i].echo()
		})
	}
	return clients, g.Wait()
}

// moveFramed lets clients go to another gateway when theirs has been killed, and
// says when all are there. Then it sees that they are served.
func moveFramed(ctx context.Context, clients []*framedClient, kill func() error, addr string) (time.Duration, error) {
	var g errgroup.Group // of all at once
	for _, c := range clients {
		g.Go(func() error { return c.move(ctx, addr) })
	}
	begin := time.Now()
	err := kill()
	err = errors.Join(err, g.Wait())
	took := time.Since(begin)
	for _, c := range clients {
		if err != nil {
			break
		}
		err = c.echo()
	}
	return took, err
}

// move waits for the end of the connection and makes another one.
func (c *framedClient) move(ctx context.Context, addr string) error {
	for {
		if _, err := c.read(); err != nil {
			break
		}
	}
	had := c.core.Resume()
	w, err := c.connect(ctx, addr)
	if err == nil && (had == nil || w.Epoch == had.Epoch) {
		err = fmt.Errorf("client %s goes on with epoch %q of a gateway that was killed", c.name, w.Epoch)
	}
	return err
}

// connect is done when there is a welcome.
func (c *framedClient) connect(ctx context.Context, addr string) (*edge.Welcome, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	dialer := ws.Dialer{Protocols: []string{edge.Subprotocol}}
	conn, early, _, err := dialer.Dial(ctx, "ws://"+addr+"/play")
	if err != nil {
		return nil, err
	}
	if early != nil {
		return nil, errors.New("the gateway has not waited for the login")
	}
	c.conn = conn
	hello, err := edge.Encode(c.core.Begin([]byte(`"Player/` + c.name + `"`)))
	if err != nil {
		return nil, err
	}
	if err := c.write(edge.KindLogin, hello); err != nil {
		return nil, err
	}
	for {
		event, err := c.read()
		if err != nil {
			return nil, err
		}
		if event.Opened != nil {
			return event.Opened, nil
		}
	}
}

// echo sends a message and waits for its answer.
func (c *framedClient) echo() error {
	if err := c.core.Send(edge.Data{Kind: edge.KindBinary, Payload: []byte(c.name)}); err != nil {
		return err
	}
	for d, ok := c.core.Next(); ok; d, ok = c.core.Next() {
		if err := c.write(d.Kind, d.Payload); err != nil {
			return err
		}
	}
	for {
		event, err := c.read()
		if err != nil {
			return err
		}
		if event.Data.Kind != 0 {
			return check(c.name, string(event.Data.Payload), nil)
		}
	}
}

func (c *framedClient) write(kind edge.Kind, payload []byte) error {
	return wsutil.WriteClientBinary(c.conn, append([]byte{byte(kind)}, payload...))
}

func (c *framedClient) read() (edge.Event, error) {
	message, err := wsutil.ReadServerBinary(c.conn)
	if err != nil {
		return edge.Event{}, err
	}
	kind, payload, err := edge.ParseMessage(message, 64<<10)
	if err != nil {
		return edge.Event{}, err
	}
	event, err := c.core.Read(kind, payload)
	if err == nil && event.Closed != nil {
		err = event.Closed
	}
	return event, err
}
