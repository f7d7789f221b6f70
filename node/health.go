package node

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/activation"
	"github.com/mallee-io/mallee/internal/admin"
)

// AdminHandler serves the node's health and figures: /healthz, /readyz,
// /metrics and /debug/pprof/. Config.Admin serves it on an address of its own.
// It tells who can reach it much of the program.
func (n *Node) AdminHandler() http.Handler {
	return admin.Pages{
		Name: "node " + n.config.Name,
		Checks: []admin.Check{
			{Name: "lease", Run: n.checkLease},
			{Name: "placement", Run: n.checkTakesActors},
			{Name: "turns", Run: n.checkTurns},
			{Name: "gateway", Run: n.checkGateway},
		},
		Collectors: []prometheus.Collector{newMetrics(n), gatewayFigures{n}},
	}.Handler()
}

// Ready is nil while calls can be made through the node: it holds its lease, and
// is not stopping.
func (n *Node) Ready() error {
	if n.stopping.Load() {
		return n.errStopping()
	}
	if !n.owns() {
		return mallee.ErrUnavailable.Errorf("node %s has lost its lease", n.config.Name)
	}
	return nil
}

// Collector reads the figures that /metrics has, for programs with a page of
// their own.
func (n *Node) Collector() prometheus.Collector { return newMetrics(n) }

// Admin is the address of the node's health and figures, host:port; empty
// where Config has none.
func (n *Node) Admin() string { return n.admin }

// openAdmin serves until the node has ended.
func (n *Node) openAdmin() error {
	if n.config.Admin == "" {
		return nil
	}
	addr, err := admin.Serve(n.ended, n.config.Admin, n.AdminHandler(), n.config.Log)
	if err != nil {
		return mallee.ErrUnavailable.Errorf("%v", err)
	}
	n.admin = addr
	return nil
}

// checkLease passes while the lease has been renewed in time.
func (n *Node) checkLease(context.Context) (time.Time, error) {
	l := n.lease.Load()
	switch now := time.Now(); {
	case l == nil:
		return time.Time{}, errors.New("the node has not joined its cluster yet")
	case l.TTL == 0: // for ever
		return now, nil
	case !now.Before(l.until):
		return l.sent(), fmt.Errorf("the lease has not been renewed within its time of %s", l.TTL)
	default:
		return l.sent(), nil
	}
}

// sent is when the last renewal that succeeded was sent.
func (l *lease) sent() time.Time { return l.until.Add(-fenceTime(time.Time{}, l.TTL).Sub(time.Time{})) }

// checkTakesActors passes while the placement driver may send actors here.
func (n *Node) checkTakesActors(context.Context) (time.Time, error) {
	switch {
	case n.stopping.Load():
		return time.Time{}, errors.New("the node is stopping")
	case n.draining.Load():
		return time.Time{}, errors.New("the node is draining: its actors move to others")
	case n.cordoned.Load():
		return time.Time{}, errors.New("the node is cordoned: it gets no new actors")
	}
	return time.Time{}, nil
}

// checkTurns passes when a call has gone through a mailbox and come back, as
// calls of users do.
func (n *Node) checkTurns(ctx context.Context) (time.Time, error) {
	id := mallee.ID{Type: canaryType, Key: "readyz"}
	if err := n.runtime.Table(canaryType).Invoke(ctx, &activation.Request{ID: id, Call: canaryCall{}}); err != nil {
		return time.Time{}, err
	}
	return time.Now(), nil
}

// checkGateway passes while the gateway of this process takes new clients, and
// where there is none.
func (n *Node) checkGateway(ctx context.Context) (time.Time, error) {
	if g := n.edge.gateway.Load(); g != nil {
		if g, ok := g.Gateway.(interface{ Ready(context.Context) error }); ok {
			return time.Time{}, g.Ready(ctx)
		}
	}
	return time.Time{}, nil
}

// gatewayFigures are those of the gateway of this process, if it has one.
type gatewayFigures struct{ node *Node }

// Describe describes nothing, since the gateway comes later than the pages.
func (gatewayFigures) Describe(chan<- *prometheus.Desc) {}

func (f gatewayFigures) Collect(out chan<- prometheus.Metric) {
	if g := f.node.edge.gateway.Load(); g != nil {
		if c, ok := g.Gateway.(prometheus.Collector); ok {
			c.Collect(out)
		}
	}
}

// canaryType is an actor type of each node that does nothing. The cluster is
// not told of it: it lives where it is asked.
const canaryType = "mallee.canary"

func canary() mallee.Type {
	return mallee.NewType(mallee.Interface{Name: canaryType}, func(*mallee.Self) any { return struct{}{} },
		mallee.StatelessWorker(1), mallee.IdleTimeout(time.Minute))
}

type canaryCall struct{}

func (canaryCall) Interface() string                      { return canaryType }
func (canaryCall) Method() string                         { return "Ready" }
func (canaryCall) Flags() mallee.CallFlags                { return 0 }
func (canaryCall) Run(context.Context, any) error         { return nil }
func (canaryCall) Args() any                              { return nil }
func (canaryCall) Results() any                           { return nil }
func (canaryCall) CopyArgs() error                        { return nil }
func (canaryCall) CopyResults() error                     { return nil }
func (canaryCall) AppendArgs(b []byte) ([]byte, error)    { return b, nil }
func (canaryCall) DecodeArgs([]byte) error                { return nil }
func (canaryCall) AppendResults(b []byte) ([]byte, error) { return b, nil }
func (canaryCall) DecodeResults([]byte) error             { return nil }

var _ mallee.Call = canaryCall{}
