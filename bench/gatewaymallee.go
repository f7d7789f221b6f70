package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/gateway"
	"github.com/mallee-io/mallee/gateway/login"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/storage"
	"github.com/mallee-io/mallee/wire/edge"
)

// malleeGateway is a gateway and its node in one process.
type malleeGateway struct {
	peer *peer
	players
}

var _ wsServer = (*malleeGateway)(nil)

func isGateway(c contestant) bool {
	_, ok := c.(*malleeGateway)
	return ok
}

func (m *malleeGateway) Start(ctx context.Context, _ int) (err error) {
	m.peer, err = startPeer(ctx, "mallee-gateway")
	return err
}

func (m *malleeGateway) Stop(context.Context) error { return m.peer.stop() }

func (m *malleeGateway) dial(path string, n int) ([]*wsClient, error) {
	return dialWS(m.peer.addr+"/play", n, m.dialect(path))
}

func (m *malleeGateway) residentBytes() (int64, error) { return m.peer.residentBytes() }

// malleeGateways are gateways in processes of their own, in front of a node in
// another one and a placement driver in a third.
type malleeGateways struct {
	malleeRemote // its node is not started
	gateways     []*peer
	players
}

var _ wsServer = (*malleeGateways)(nil)

// start starts so many gateways.
func (m *malleeGateways) start(ctx context.Context, gateways int) error {
	drivers, err := m.startDrivers(ctx, 1)
	if err != nil {
		return err
	}
	if m.host, err = startPeer(ctx, "mallee-players", drivers); err != nil {
		return err
	}
	for range gateways {
		g, err := startPeer(ctx, "mallee-gateway", drivers)
		if err != nil {
			return err
		}
		m.gateways = append(m.gateways, g)
	}
	return nil
}

// Stop ends them: it must be called, or they end when the collector finds them.
func (m *malleeGateways) Stop(context.Context) (err error) {
	for _, p := range slices.Concat(m.gateways, []*peer{m.host}, m.drivers) {
		err = errors.Join(err, p.stop())
	}
	return err
}

// killFirst kills a gateway.
func (m *malleeGateways) killFirst() error {
	first := m.gateways[0]
	m.gateways = m.gateways[1:]
	return first.kill()
}

func (m *malleeGateways) dial(path string, n int) ([]*wsClient, error) {
	return dialWS(m.gateways[0].addr+"/play", n, m.dialect(path))
}

// residentBytes are those of the gateways and the node.
func (m *malleeGateways) residentBytes() (sum int64, err error) {
	for _, p := range append([]*peer{m.host}, m.gateways...) {
		n, err := p.residentBytes()
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

// players gives clients their actors.
type players struct{ last atomic.Int64 }

func (p *players) dialect(path string) *dialect {
	d := bareDialect()
	if path == "push" {
		d.login, d.answered = func(int) []byte { return []byte("Room/1") }, true
		return d
	}
	d.login = func(int) []byte { return fmt.Appendf(nil, "Player/%d", p.last.Add(1)) }
	return d
}

// serveMalleeGateway is a gateway, without a placement driver with the actors.
func serveMalleeGateway(ctx context.Context, drivers []string) (string, error) {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})) // gateways are killed
	var n *node.Node
	var err error
	if len(drivers) == 0 {
		n, err = node.Start(ctx, node.Config{Types: playerTypes(), Store: storage.Memory(), Log: log})
	} else {
		n, err = startClustered(ctx, drivers[0])
	}
	if err != nil {
		return "", err
	}
	g, err := gateway.New(gateway.Config{
		Node: n, Login: login.Func(admit), Log: log,
		Secrets: [][]byte{[]byte("known to all gateways of the bench")},
	})
	if err != nil {
		return "", err
	}
	return serveHTTP(g)
}

// admit lets in those who name their actor.
func admit(_ context.Context, r *login.Request) (login.Admission, error) {
	typ, key, ok := strings.Cut(string(r.Packet), "/")
	if !ok {
		return login.Admission{}, &login.Refusal{Code: edge.CodeLoginInvalid, Reason: "this is not an actor"}
	}
	return login.Admission{Actor: mallee.ID{Type: typ, Key: key}, User: key, First: bytes.Clone(r.Packet)}, nil
}

// serveMalleePlayers is a node that hosts the actors of clients.
func serveMalleePlayers(ctx context.Context, drivers []string) (string, error) {
	n, err := startClustered(ctx, drivers[0], playerTypes()...)
	if err != nil {
		return "", err
	}
	return n.ID().String(), nil
}

func playerTypes() []mallee.Type {
	return []mallee.Type{
		mallee.NewType(mallee.Interface{Name: "Player"}, func(self *mallee.Self) any { return player{self} }),
		mallee.NewType(mallee.Interface{Name: "Room"}, func(self *mallee.Self) any { return room{self, mallee.NewGroup(self)} }),
	}
}

// player answers what its client says.
type player struct{ self *mallee.Self }

var _ mallee.Client = player{}

func (player) OnConnect(context.Context, mallee.Session, mallee.Arrival) error { return nil }

func (p player) OnMessage(ctx context.Context, s mallee.Session, m mallee.Message) error {
	return p.self.Send(ctx, m, s)
}

func (player) OnDisconnect(context.Context, mallee.Session, mallee.DisconnectReason) error {
	return nil
}

// room tells all what one says.
type room struct {
	self *mallee.Self
	all  *mallee.Group
}

var _ mallee.Client = room{}

func (r room) OnConnect(ctx context.Context, s mallee.Session, _ mallee.Arrival) error {
	r.all.Join(s)
	return r.self.Send(ctx, mallee.Binary([]byte("come in")), s)
}

func (r room) OnMessage(ctx context.Context, _ mallee.Session, m mallee.Message) error {
	return r.all.Send(ctx, m)
}

func (r room) OnDisconnect(_ context.Context, s mallee.Session, _ mallee.DisconnectReason) error {
	if !r.all.Leave(s) {
		return errors.New("a session has left that was not in the room")
	}
	return nil
}
