package carrier

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/mallee-io/mallee/wire/edge"
)

// streamed is a connection whose frames have their lengths in front.
type streamed struct {
	link
	name   string
	header [edge.HeaderSize]byte // guarded by reading
}

var _ Conn = (*streamed)(nil)

func (a *Acceptor) newStream(name string, to duplex, remote net.Addr) *streamed {
	c := &streamed{name: name}
	c.link.Acceptor, c.to, c.remote = a, to, addrPort(remote)
	return c
}

func (c *streamed) Name() string                   { return c.name }
func (c *streamed) Framed() bool                   { return true }
func (c *streamed) Read() (Frame, error)           { return c.receive(c.next) }
func (c *streamed) Write(frames []*Outgoing) error { return c.send(frames, stream) }
func (c *streamed) Ping() error                    { return c.ping(encode(Frame{Kind: edge.KindPing}, stream)) }

func (c *streamed) Close(code edge.Code, reason string) {
	reason = shorten(reason)
	// Its strings can always be encoded.
	said, _ := edge.Encode(edge.Closed{Code: code, Reason: reason})
	c.close(code, reason, encode(Frame{Kind: edge.KindClose, Data: said}, stream), nil)
}

// next reads frames until there is one for the reader.
func (c *streamed) next() (Frame, error) {
	for {
		if err := c.await(); err != nil {
			return Frame{}, err
		}
		if err := c.fill(c.header[:]); err != nil {
			return Frame{}, err
		}
		kind, n, err := edge.ParseHeader(c.header, c.MaxMessage)
		if err != nil {
			return Frame{}, err
		}
		f := Frame{Kind: kind}
		if f.Data, err = c.payload(nil, n); err != nil {
			return Frame{}, err
		}
		if err := c.whole(); err != nil {
			return Frame{}, err
		}
		if deliver, err := c.take(f, stream); err != nil || deliver {
			return f, err
		}
	}
}

// ServeTCP makes connections of what the listener accepts, which may be one of
// package crypto/tls, until it is closed: then it returns nil. handle is called
// in a goroutine of its own. Sockets keep alive as net.ListenConfig says.
func (a *Acceptor) ServeTCP(listener net.Listener, handle func(Conn)) error {
	for {
		socket, err := listener.Accept()
		var passing interface{ Temporary() bool }
		switch {
		case err == nil:
			go a.welcome(socket, handle)
		case errors.Is(err, net.ErrClosed):
			return nil
		case errors.As(err, &passing) && passing.Temporary():
			time.Sleep(50 * time.Millisecond) // such as too many open files
		default:
			return fmt.Errorf("accept connections at %s: %w", listener.Addr(), err)
		}
	}
}

func (a *Acceptor) welcome(socket net.Conn, handle func(Conn)) {
	if secure, ok := socket.(*tls.Conn); ok {
		ctx, cancel := context.WithTimeout(context.Background(), a.HandshakeTimeout)
		err := secure.HandshakeContext(ctx)
		cancel()
		if err != nil {
			hangUp(socket)
			return
		}
	}
	c := a.newStream("tcp", octets{socket}, socket.RemoteAddr())
	_, c.secure = socket.(*tls.Conn)
	handle(c)
}

// octets is a socket of TCP or TLS.
type octets struct{ net.Conn }

func (o octets) end(edge.Code, string) { hangUp(o.Conn) }

func (o octets) finish() error {
	if half, ok := o.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
