package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"golang.org/x/sync/errgroup"
)

// wsMessage is what is sent in each direction, in bytes. It begins with a number.
const wsMessage = 64

// A dialect is what clients say to a server, and what they hear.
type dialect struct {
	login    func(client int) []byte // the first message; nil: there is none
	answered bool                    // the login has an answer
	out, in  []byte                  // messages around a wsMessage of wsNumber and zeros
}

// wsNumber stands where a message has its number.
var wsNumber = []byte("a number")

func wsPayload() []byte {
	return append(bytes.Clone(wsNumber), make([]byte, wsMessage-len(wsNumber))...)
}

// bareDialect has nothing around its messages, and says nothing before them.
func bareDialect() *dialect { return &dialect{out: wsPayload(), in: wsPayload()} }

// wsClient is the least that a WebSocket client can be, so that it weighs
// little on what is measured: it knows the size of all messages.
type wsClient struct {
	conn     net.Conn
	out, in  []byte // frames
	outgoing []byte // the number in out
	incoming []byte // the number in in
}

// dialWS connects n clients to host:port/path, and logs them in.
func dialWS(url string, n int, d *dialect) ([]*wsClient, error) {
	clients := make([]*wsClient, n)
	var g errgroup.Group
	g.SetLimit(64)
	for i := range clients {
		g.Go(func() (err error) {
			clients[i], err = dialOneWS(url, i, d)
			return err
		})
	}
	return clients, g.Wait()
}

func dialOneWS(url string, client int, d *dialect) (*wsClient, error) {
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
	c := &wsClient{conn: conn, out: masked(d.out), in: append([]byte{0x82, byte(len(d.in))}, d.in...)}
	c.outgoing, c.incoming = c.out[bytes.Index(c.out, wsNumber):], c.in[bytes.Index(c.in, wsNumber):]
	return c, c.login(client, d)
}

// masked is a frame of one binary message of less than 126 bytes, masked with
// zeros.
func masked(message []byte) []byte {
	return append([]byte{0x82, 0x80 | byte(len(message)), 0, 0, 0, 0}, message...)
}

func (c *wsClient) login(client int, d *dialect) error {
	if d.login == nil {
		return nil
	}
	if _, err := c.conn.Write(masked(d.login(client))); err != nil || !d.answered {
		return err
	}
	var header [2]byte
	if _, err := io.ReadFull(c.conn, header[:]); err != nil {
		return err
	}
	size := int64(header[1])
	if header[0] != 0x82 || size > 126 {
		return fmt.Errorf("the answer to the login begins with % x", header)
	}
	if size == 126 {
		var longer [2]byte
		if _, err := io.ReadFull(c.conn, longer[:]); err != nil {
			return err
		}
		size = int64(binary.BigEndian.Uint16(longer[:]))
	}
	_, err := io.CopyN(io.Discard, c.conn, size)
	return err
}

func (c *wsClient) send(n int) error {
	binary.BigEndian.PutUint64(c.outgoing, uint64(n))
	_, err := c.conn.Write(c.out)
	return err
}

func (c *wsClient) skip() error {
	_, err := io.ReadFull(c.conn, c.in)
	return err
}

func (c *wsClient) echo(n int) error {
	if err := c.send(n); err != nil {
		return err
	}
	if err := c.skip(); err != nil {
		return err
	}
	if got := int(binary.BigEndian.Uint64(c.incoming)); c.in[0] != 0x82 || int(c.in[1]) != len(c.in)-2 || got != n {
		return fmt.Errorf("the echo of %d is % x", n, c.in)
	}
	return nil
}
