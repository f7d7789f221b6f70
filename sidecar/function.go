package sidecar

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
)

// dial makes the connection to the user function: one, in plaintext, as the
// protocol has it. It is made when it is needed first.
func dial(c Config) (*grpc.ClientConn, error) {
	pace := backoff.DefaultConfig
	pace.BaseDelay, pace.MaxDelay = 100*time.Millisecond, 5*time.Second
	return grpc.NewClient("passthrough:///"+c.Function,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: pace, MinConnectTimeout: 5 * time.Second}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(c.MaxMessage), grpc.MaxCallSendMsgSize(c.MaxMessage)),
		grpc.WithInitialWindowSize(streamWindow), grpc.WithInitialConnWindowSize(connWindow),
		grpc.WithDisableServiceConfig(), grpc.WithDisableRetry(),
		grpc.WithIdleTimeout(0)) // a connection that ends means that the function has gone
}

// Flow control, in bytes. Windows that are set are not measured: otherwise each
// answer is followed by a ping, and by its answer. One message may be larger.
const (
	streamWindow = 64 << 10
	connWindow   = 4 << 20
)

// proxyName is how the sidecar introduces itself.
const proxyName = "mallee"

// proxyInfo is what the user function is told of the sidecar. Stateless
// functions of the old dialect are served without being listed: conformance
// tests compare the list.
func proxyInfo() *cloudstatepb.ProxyInfo {
	version := "(devel)"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		version = info.Main.Version
	}
	return &cloudstatepb.ProxyInfo{
		ProtocolMajorVersion: 0, ProtocolMinorVersion: 2, ProxyName: proxyName, ProxyVersion: version,
		SupportedEntityTypes: []string{string(spec.Action), string(spec.Replicated), string(spec.EventSourced), string(spec.Value)},
	}
}

// pace is the exponential backoff of what is tried until it succeeds.
type pace struct{ pause time.Duration }

// Of the pauses between attempts; each differs by a fifth at most.
const (
	firstPause = time.Second
	lastPause  = 10 * time.Second
	randomPart = 0.2
)

// next waits, and reports false when ctx has ended.
func (p *pace) next(ctx context.Context) bool {
	p.pause = min(max(2*p.pause, firstPause), lastPause)
	timer := time.NewTimer(time.Duration(float64(p.pause) * (1 + randomPart*rand.Float64())))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// discover asks the user function what it has, until it answers; nil: ctx has
// ended.
func (s *Sidecar) discover(ctx context.Context) *cloudstatepb.EntitySpec {
	var p pace
	for {
		s.awaitConnection(ctx)
		one, cancel := context.WithTimeout(ctx, discoveryTimeout)
		answer, err := cloudstatepb.NewEntityDiscoveryClient(s.conn).Discover(one, proxyInfo())
		cancel()
		if err == nil {
			return answer
		}
		s.waits(mallee.ErrUnavailable.Errorf("the user function at %s does not answer discovery: %s", s.config.Function, status.Convert(err).Message()))
		if !p.next(ctx) {
			return nil
		}
	}
}

// discoveryTimeout bounds one attempt: a user function may load much first.
const discoveryTimeout = 30 * time.Second

// awaitConnection returns when the user function is connected, or ctx ends.
func (s *Sidecar) awaitConnection(ctx context.Context) {
	for ctx.Err() == nil {
		at := s.conn.GetState()
		if at == connectivity.Ready {
			return
		}
		if at == connectivity.Idle {
			s.conn.Connect()
		}
		s.conn.WaitForStateChange(ctx, at)
	}
}

// awaitLoss returns when the user function is not connected any more, or ctx
// ends.
func (s *Sidecar) awaitLoss(ctx context.Context) {
	for ctx.Err() == nil && s.conn.GetState() == connectivity.Ready {
		s.conn.WaitForStateChange(ctx, connectivity.Ready)
	}
}

// Of reports to the developer of the user function.
const (
	maxReports    = 64 // that wait; more are only logged
	reportTimeout = 5 * time.Second
)

// report tells the developer, in the log of the user function and in ours.
func (s *Sidecar) report(text string) {
	s.config.Log.Warn("reported to the user function", "text", text)
	select {
	case s.reports <- text:
	default:
	}
}

// reporting sends reports until ctx ends. Nobody depends on them, so none is
// tried twice.
func (s *Sidecar) reporting(ctx context.Context) {
	for {
		select {
		case text := <-s.reports:
			s.send(ctx, text)
		case <-ctx.Done():
			return
		}
	}
}

func (s *Sidecar) send(ctx context.Context, text string) {
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	if _, err := cloudstatepb.NewEntityDiscoveryClient(s.conn).ReportError(ctx, &cloudstatepb.UserFunctionError{Message: text}); err != nil {
		s.config.Log.Warn("the user function has not taken a report", "error", fmt.Errorf("report: %w", err))
	}
}
