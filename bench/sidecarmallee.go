package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"

	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/sidecar"
	"github.com/mallee-io/mallee/storage"
	"github.com/mallee-io/mallee/storage/pebble"
)

// malleeSidecar is a user function and its sidecar, in processes of their own,
// and clients in this one, over one connection.
type malleeSidecar struct {
	function, sidecar *peer
	conn              rawConn
}

var (
	_ caller   = (*malleeSidecar)(nil)
	_ appender = (*malleeSidecar)(nil)
	_ resident = (*malleeSidecar)(nil)
)

func (m *malleeSidecar) Start(ctx context.Context, _ int) (err error) {
	if m.function, err = startPeer(ctx, "user-function"); err != nil {
		return err
	}
	m.sidecar, m.conn, err = m.beside(ctx)
	return err
}

// beside starts a sidecar of the user function. Its store is in memory, or
// embedded in a directory.
func (m *malleeSidecar) beside(ctx context.Context, dir ...string) (*peer, rawConn, error) {
	s, err := startPeer(ctx, "mallee-sidecar", append([]string{m.function.addr}, dir...)...)
	if err != nil {
		return nil, rawConn{}, err
	}
	conn, err := dialRaw(s.addr)
	return s, conn, err
}

func (m *malleeSidecar) Stop(context.Context) error {
	return errors.Join(m.conn.Close(), m.sidecar.stop(), m.function.stop())
}

func (m *malleeSidecar) Caller(ctx context.Context) echo {
	return func(actor int, msg string) (string, error) {
		return m.conn.say(ctx, echoPath, strconv.Itoa(actor), msg)
	}
}

func (m *malleeSidecar) Activate(ctx context.Context, key, msg string) (string, error) {
	return m.conn.say(ctx, echoPath, key, msg)
}

func (m *malleeSidecar) residentBytes() (int64, error) { return m.sidecar.residentBytes() }

func (m *malleeSidecar) Appends(ctx context.Context, dir string) (func(caller int) func() error, func() error, error) {
	s, conn, err := m.beside(ctx, dir)
	if err != nil {
		return nil, nil, err
	}
	add := func(entity string) (string, error) { return conn.say(ctx, addPath, entity, "") }
	return counting(add), func() error { return errors.Join(conn.Close(), s.stop()) }, nil
}

// counting is callers that have a ledger each, and look whether it counts their
// calls.
func counting(add func(ledger string) (count string, err error)) func(caller int) func() error {
	return func(caller int) func() error {
		ledger, last := strconv.Itoa(caller), -1
		return func() error {
			got, err := add(ledger)
			if err != nil {
				return err
			}
			n, err := strconv.Atoi(got)
			if err == nil && last >= 0 && n != last+1 {
				err = fmt.Errorf("the count is %d after %d", n, last)
			}
			last = n
			return err
		}
	}
}

func serveSidecar(ctx context.Context, args []string) (string, error) {
	store := storage.Memory()
	if len(args) > 1 {
		var err error
		if store, err = pebble.Open(args[1]); err != nil {
			return "", err
		}
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	s, err := sidecar.Start(ctx, sidecar.Config{
		Function: args[0], Listen: "127.0.0.1:0", Log: log,
		Node: node.Config{Store: store, Log: log},
	})
	if err != nil {
		return "", err
	}
	if err := s.Ready(ctx); err != nil {
		return "", err
	}
	return s.Addr(), nil
}
