package transport

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/wire/koala"
)

// koalaConn is a connection with a Koala host. One goroutine writes, one reads.
// What it does with calls is in koala_calls.go.
type koalaConn struct {
	socket
	life   *koalaLife
	id     placement.NodeID // of the member that was dialled, or of the connection
	ip     netip.Addr       // of the peer
	begun  time.Time
	silent time.Duration

	ofHost  atomic.Bool   // what no gateway says has come
	gateway atomic.Uint64 // placement.NodeID of the gateway whose sessions it carries; 0: not known

	failures int // of dials before this one
	proving  sync.Once
	proof    chan struct{} // closed when it is known whether the peer hears
	proven   atomic.Bool

	mu      sync.Mutex
	waiting map[uint64]*waitingChain // calls that have gone out, by Message.Call
	asked   map[uint64]int64         // calls that have come, by Message.Call: their request ids
	last    uint64                   // Message.Call of those that have come
}

func newKoalaConn(l *koalaLife, id placement.NodeID, raw net.Conn) *koalaConn {
	c := &koalaConn{socket: socket{Conn: raw}, life: l, id: id, ip: remoteIP(raw), begun: time.Now(), proof: make(chan struct{}), waiting: make(map[uint64]*waitingChain), asked: make(map[uint64]int64)}
	c.out.init(l.config.Pending)
	return c
}

func (c *koalaConn) end(err error) {
	c.fail(err)
	c.out.drop()
	c.prove(false)
	there := c.life.audience.lost(c)
	c.forgetAll()
	c.life.logins.lose(c.id)
	if !there {
		return
	}
	err = *c.cause.Load()
	if errors.Is(err, io.EOF) {
		c.life.config.Log.Info("connection of a host ended", "node", c.life.node, "host", c.id, "addr", c.RemoteAddr())
	} else {
		c.life.config.Log.Warn("connection of a host lost", "node", c.life.node, "host", c.id, "addr", c.RemoteAddr(), "error", err)
	}
	c.life.handler.Lost(c.id)
}

// watch comes with each beat.
func (c *koalaConn) watch() {
	if !isInbound(c.id) {
		c.beat()
	}
	if c.heard.Swap(false) {
		c.silent = 0
		return
	}
	if c.silent += c.life.config.Beat; c.silent >= c.life.config.Silence {
		c.fail(fmt.Errorf("nothing has come from the host for %v", c.silent))
	}
}

// beat asks for a sign of life. One that finds no room is not missed: the host
// does not read.
func (c *koalaConn) beat() {
	_ = c.send(Cancel, &koala.RequestHeartBeat{MilliSeconds: time.Now().UnixMilli()}, nil)
}

// send appends a frame to what waits for the host. The kind says how much may
// wait before it.
func (c *koalaConn) send(kind Kind, m koala.Message, body []byte) error {
	frame, err := frameOf(m, body)
	if err != nil {
		return err
	}
	switch c.out.frame(kind, frame) {
	case full:
		return errSlow
	case overfull:
		c.fail(errNotReading)
		return errNotReading
	case ended:
		return errEnding
	}
	return nil
}

// frameOf writes what a gateway says as the original gateway does, and all else
// as a host.
func frameOf(m koala.Message, body []byte) ([]byte, error) {
	switch m.(type) {
	case *koala.NotifyNewActorSession, *koala.NotifyNewActorMessage:
		return koala.AppendAsGateway(nil, m, body)
	}
	return koala.Append(nil, m, body)
}

var (
	errSlow   = errors.New("the host is slow to read")
	errEnding = errors.New("the connection has ended")
)

// receive returns the error that ends the connection: whatever is no message.
func (c *koalaConn) receive(f *frames) error {
	for {
		meta, body, owned, err := f.next()
		if err != nil {
			return err
		}
		m, err := koala.Parse(meta)
		if err != nil {
			return err
		}
		if !owned { // the buffer is used again
			body = append([]byte(nil), body...)
		}
		if err := c.take(m, body); err != nil {
			return err
		}
	}
}

func (c *koalaConn) take(m koala.Message, body []byte) error {
	switch m := m.(type) {
	case *koala.RequestHeartBeat:
		if err := c.send(Reply, &koala.ResponseHeartBeat{MilliSeconds: m.MilliSeconds}, nil); err != nil {
			return fmt.Errorf("answer a heartbeat: %w", err)
		}
	case *koala.ResponseHeartBeat:
		c.prove(true)
	case *koala.RPCRequest:
		c.ofHost.Store(true)
		return c.asks(m, body)
	case *koala.RPCResponse:
		c.answers(m, body)
	case *koala.RequestSendMessageToSession, *koala.RequestCloseSession, *koala.ResponseAccountLogin:
		c.ofHost.Store(true)
		c.forClients(m, body)
	case *koala.NotifyNewActorSession, *koala.NotifyNewActorMessage, *koala.NotifyActorSessionAborted, *koala.RequestAccountLogin:
		c.ofClients(m, body)
	default: // an application's own
		c.life.config.Log.Debug("message skipped", "node", c.life.node, "host", c.id, "type", m.TypeName())
	}
	return nil
}
