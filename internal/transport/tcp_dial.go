package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/mallee-io/mallee/placement"
)

// dial starts an attempt of this node. It needs mu, and a life that has not ended.
func (l *life) dial(to placement.NodeID, k *tie) {
	ctx, cancel := context.WithTimeout(l.ctx, l.config.DialTimeout)
	d := &dialing{cancel: cancel}
	k.dialing = d
	l.running.Go(func() {
		defer cancel()
		if err := l.reach(ctx, to, d); err != nil {
			l.failed(to, d, err)
		}
	})
}

// reach dials and shakes hands.
func (l *life) reach(ctx context.Context, to placement.NodeID, d *dialing) error {
	addr, err := l.config.Resolve(ctx, to)
	if err != nil {
		return fmt.Errorf("its address: %w", err)
	}
	raw, err := l.open(ctx, addr)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	err = l.introduce(ctx, raw, to, d, stop)
	if err == nil {
		return nil
	}
	_ = raw.Close()
	var refused *refusal
	if errors.As(err, &refused) {
		if refused.crossed {
			<-ctx.Done() // the other's hello ends this dial
		}
		return fmt.Errorf("%s refuses: %w", addr, err)
	}
	if ctx.Err() != nil {
		err = errors.New("no handshake in time")
	}
	return fmt.Errorf("%s: %w", addr, err)
}

func (l *life) open(ctx context.Context, addr string) (net.Conn, error) {
	var dialer net.Dialer
	if l.config.TLS == nil {
		return dialer.DialContext(ctx, "tcp", addr)
	}
	secure := tls.Dialer{NetDialer: &dialer, Config: l.config.TLS} // takes the server's name from addr
	return secure.DialContext(ctx, "tcp", addr)
}

// introduce returns nil when the connection is in use. stop keeps the end of
// the dial's context from closing it.
func (l *life) introduce(ctx context.Context, raw net.Conn, to placement.NodeID, d *dialing, stop func() bool) error {
	h := hello{cluster: l.config.Cluster, from: l.node, to: to}
	l.mu.Lock()
	d.hello = l.tie(to).dialing == d
	h.closed = l.closed
	l.mu.Unlock()
	if !d.hello {
		return context.Canceled
	}
	c := newConn(l, raw)
	c.peer = to
	f := &frames{from: c, limit: maxHandshakeFrame}
	closed, err := greet(c, f, &h)
	if err != nil {
		return err
	}
	c.out.refuses = closed
	c.out.control(controlReady)
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.tie(to)
	if k.dialing != d || !stop() {
		return context.Canceled
	}
	if err := l.install(k, c, f, h.closed); err != nil {
		return err
	}
	k.dialing = nil
	return nil
}

// welcome is the acceptor's side of a connection.
func (l *life) welcome(raw net.Conn) {
	ctx, cancel := context.WithCancel(l.ctx)
	defer cancel()
	late := time.AfterFunc(l.config.DialTimeout, cancel)
	defer late.Stop()
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	err := l.receiveDialer(ctx, raw, late, stop)
	if err == nil {
		return
	}
	_ = raw.Close()
	var refused *refusal
	if errors.As(err, &refused) && refused.crossed || errors.Is(err, io.EOF) || l.ctx.Err() != nil {
		return // ours goes first, or the dialer has thought better of it
	}
	l.config.Log.Warn("connection refused", "node", l.node, "from", raw.RemoteAddr(), "error", err)
}

func (l *life) receiveDialer(ctx context.Context, raw net.Conn, late *time.Timer, stop func() bool) error {
	if l.config.TLS != nil {
		secure := tls.Server(raw, l.config.TLS)
		if err := secure.HandshakeContext(ctx); err != nil {
			return err
		}
		raw = secure
	}
	c := newConn(l, raw)
	f := &frames{from: c, limit: maxHandshakeFrame}
	if l.config.Foreign != nil {
		late.Stop() // a host may be silent for longer
		first, err := l.first(raw, f)
		if err != nil {
			return err
		}
		late.Reset(l.config.DialTimeout)
		if first != metaMark {
			if !stop() {
				return context.Cause(ctx)
			}
			return l.config.Foreign.accept(raw, f)
		}
	}
	meta, _, _, err := f.next()
	if err != nil {
		return err
	}
	h, err := parseHello(meta)
	if err == nil {
		err = l.judge(&h)
	}
	if err != nil {
		return send(raw, &refusal{reason: err.Error()})
	}
	c.peer, c.out.refuses = h.from, h.closed
	s := &handshake{conn: c}
	if err := l.admit(&h, s); err != nil {
		return send(raw, err)
	}
	defer l.leave(h.from, s) // without effect once it is in use
	if err := writeFrame(raw, welcomeMeta(s.closed)); err != nil {
		return err
	}
	if err := readReady(f); err != nil {
		return fmt.Errorf("node %s has not completed its handshake: %w", h.from, err)
	}
	if !stop() {
		return context.Cause(ctx)
	}
	return l.enter(s, f)
}

// first is the byte by which a node is told from a Koala host. A node says hello
// at once, and a host nothing before its next heartbeat: so whoever is silent is
// a host.
func (l *life) first(raw net.Conn, f *frames) (byte, error) {
	_ = raw.SetReadDeadline(time.Now().Add(l.config.DialTimeout))
	defer func() { _ = raw.SetReadDeadline(time.Time{}) }()
	first, err := f.first()
	if len(f.rest) == 0 && errors.Is(err, os.ErrDeadlineExceeded) {
		return ^byte(metaMark), nil
	}
	return first, err
}

// send tells a dialer why it is sent away, and returns the reason.
func send(raw net.Conn, reason error) error {
	var refused *refusal
	if errors.As(reason, &refused) {
		_ = raw.SetWriteDeadline(time.Now().Add(time.Second))
		_ = writeFrame(raw, refused.meta()) // whoever does not get it sees the connection end
	}
	return reason
}
