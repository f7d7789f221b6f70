package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"golang.org/x/sync/errgroup"

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
	drivers []*peer
	host    *peer
}

var _ activator = (*malleeRemote)(nil)

func (m *malleeRemote) Start(ctx context.Context, _ int) error { return m.start(ctx, 1) }

// start starts so many processes of the placement driver.
func (m *malleeRemote) start(ctx context.Context, drivers int) error {
	addrs, err := m.startDrivers(ctx, drivers)
	if err != nil {
		return err
	}
	if m.host, err = startPeer(ctx, "mallee-host", addrs); err != nil {
		return err
	}
	m.node, err = startClustered(ctx, addrs)
	return err
}

func (m *malleeRemote) startDrivers(ctx context.Context, n int) (addrs string, err error) {
	ports, err := freePorts(2 * n)
	if err != nil {
		return "", err
	}
	var cluster, listen []string
	for i := range n {
		listen = append(listen, "127.0.0.1:"+ports[2*i])
		cluster = append(cluster, fmt.Sprintf("pd%d=http://127.0.0.1:%s", i, ports[2*i+1]))
	}
	m.drivers = make([]*peer, n)
	var starting errgroup.Group // they wait for each other
	for i := range n {
		starting.Go(func() (err error) {
			m.drivers[i], err = startPeer(ctx, "mallee-pd", fmt.Sprint("pd", i), listen[i], "127.0.0.1:"+ports[2*i+1], strings.Join(cluster, ","))
			return err
		})
	}
	return strings.Join(listen, ","), starting.Wait()
}

func (m *malleeRemote) Stop(ctx context.Context) error {
	err := errors.Join(m.node.Stop(ctx), m.host.stop())
	for _, d := range m.drivers {
		err = errors.Join(err, d.stop())
	}
	return err
}

// liveBytes is the memory of the node that hosts the actors and of the
// placement driver.
func (m *malleeRemote) liveBytes() (sum int64, err error) {
	for _, p := range append(m.drivers, m.host) {
		n, err := p.liveBytes()
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
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

// serveMalleePD is a process of the placement driver, whose directory is the
// system's to delete.
func serveMalleePD(ctx context.Context, args []string) (string, error) {
	dir, err := os.MkdirTemp("", "bench-pd")
	if err != nil {
		return "", err
	}
	s, err := pd.Start(ctx, pd.Config{Name: args[0], Dir: dir, Listen: args[1], PeerListen: args[2], InitialCluster: args[3]})
	if err != nil {
		return "", err
	}
	return s.Addr(), nil
}
