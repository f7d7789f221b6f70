package main

import (
	"context"
	"errors"
	"log/slog"
	"os"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/bench/echoer"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/placement/pd"
	"github.com/mallee-io/mallee/storage"
)

// malleeRemote is a client of a cluster of three processes: this one, a node
// that hosts the echo actors, and a placement driver with its embedded etcd.
type malleeRemote struct {
	malleeNode
	pd, host *peer
}

var _ activator = (*malleeRemote)(nil)

func (m *malleeRemote) Start(ctx context.Context, _ int) (err error) {
	if m.pd, err = startPeer(ctx, "mallee-pd"); err != nil {
		return err
	}
	if m.host, err = startPeer(ctx, "mallee-host", m.pd.addr); err != nil {
		return err
	}
	m.node, err = startClustered(ctx, m.pd.addr)
	return err
}

func (m *malleeRemote) Stop(ctx context.Context) error {
	return errors.Join(m.node.Stop(ctx), m.host.stop(), m.pd.stop())
}

func startClustered(ctx context.Context, driver string, types ...mallee.Type) (*node.Node, error) {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	return node.Start(ctx, node.Config{Types: types, Store: storage.Memory(), Placement: placement.Dial(driver), Log: log})
}

func serveMalleeHost(ctx context.Context, args []string) (string, error) {
	n, err := startClustered(ctx, args[0], echoer.EchoerType(echoer.New))
	if err != nil {
		return "", err
	}
	return n.ID().String(), nil
}

// serveMalleePD is a placement driver of one process, whose directory is the
// system's to delete.
func serveMalleePD(ctx context.Context, _ []string) (string, error) {
	dir, err := os.MkdirTemp("", "bench-pd")
	if err != nil {
		return "", err
	}
	ports, err := freePorts(2)
	if err != nil {
		return "", err
	}
	s, err := pd.Start(ctx, pd.Config{Dir: dir, Listen: "127.0.0.1:" + ports[0], PeerListen: "127.0.0.1:" + ports[1]})
	if err != nil {
		return "", err
	}
	return s.Addr(), nil
}
