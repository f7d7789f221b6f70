package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"golang.org/x/sync/errgroup"
)

// wsClient is the least that a WebSocket client can be, so that it weighs
// little on what is measured: it knows the size of all messages.
type wsClient struct {
	conn net.Conn
	out  [2 + 4 + wsMessage]byte
	in   [2 + wsMessage]byte
}

// dialWS connects n clients to host:port/path.
func dialWS(url string, n int) ([]*wsClient, error) {
	clients := make([]*wsClient, n)
	var g errgroup.Group
	g.SetLimit(64)
	for i := range clients {
		g.Go(func() (err error) {
			clients[i], err = dialOneWS(url)
			return err
		})
	}
	return clients, g.Wait()
}

func dialOneWS(url string) (*wsClient, error) {
	host, path, _ := strings.Cut(url, "/")
	conn, err := net.Dial("tcp", host)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(conn, "GET /%s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", path, host)
	// A server says nothing after its answer, so the reader has read no more.
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return nil, err
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusSwitchingProtocols {
		return nil, fmt.Errorf("the server answers %s", answer.Status)
	}
	c := &wsClient{conn: conn}
	c.out[0], c.out[1] = 0x82, 0x80|wsMessage // one binary frame, masked with zeros
	return c, nil
}

func (c *wsClient) send(n int) error {
	binary.BigEndian.PutUint64(c.out[6:], uint64(n))
	_, err := c.conn.Write(c.out[:])
	return err
}

func (c *wsClient) skip() error {
	_, err := io.ReadFull(c.conn, c.in[:])
	return err
}

func (c *wsClient) echo(n int) error {
	if err := c.send(n); err != nil {
		return err
	}
	if err := c.skip(); err != nil {
		return err
	}
	if got := int(binary.BigEndian.Uint64(c.in[2:])); c.in[0] != 0x82 || c.in[1] != wsMessage || got != n {
		return fmt.Errorf("the echo of %d is % x", n, c.in)
	}
	return nil
}
