package ingress

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"

	"github.com/mallee-io/mallee/sidecar/internal/command"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
)

// health answers grpc.health.v1.Health, as Kubernetes and load balancers ask it:
// for the whole, whose name is empty, or for one service. All are in the same
// state.
type health struct {
	model *spec.Model
	ready func() bool
}

// watchInterval is how often a watch looks whether the state has changed.
const watchInterval = time.Second

// Serve answers Check and Watch.
func (h *health) Serve(ctx context.Context, m *spec.Method, _ command.Metadata, x command.Exchange) error {
	value, err := x.Recv()
	if err != nil {
		return err
	}
	var of grpc_health_v1.HealthCheckRequest
	if err := proto.Unmarshal(value, &of); err != nil {
		return refuse(codes.InvalidArgument, "the request: %v", err)
	}
	known := of.GetService() == "" || h.model.Service(of.GetService()) != nil
	switch {
	case m.ServerStreams:
		return h.watch(ctx, known, x)
	case !known:
		return refuse(codes.NotFound, "there is no service %s", of.GetService())
	}
	return sendMessage(x, &grpc_health_v1.HealthCheckResponse{Status: h.state(true)})
}

func (h *health) state(known bool) grpc_health_v1.HealthCheckResponse_ServingStatus {
	switch {
	case !known:
		return grpc_health_v1.HealthCheckResponse_SERVICE_UNKNOWN
	case h.ready():
		return grpc_health_v1.HealthCheckResponse_SERVING
	}
	return grpc_health_v1.HealthCheckResponse_NOT_SERVING
}

// watch sends the state and each that differs from the one before, until the
// client goes.
func (h *health) watch(ctx context.Context, known bool, x command.Exchange) error {
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for last := grpc_health_v1.HealthCheckResponse_UNKNOWN; ; {
		if now := h.state(known); now != last {
			if err := sendMessage(x, &grpc_health_v1.HealthCheckResponse{Status: now}); err != nil {
				return err
			}
			last = now
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// sendMessage sends a message of the ingress itself.
func sendMessage(x command.Exchange, m proto.Message) error {
	value, err := proto.Marshal(m)
	if err != nil {
		return err
	}
	return x.Send(&command.Reply{Payload: command.Payload{Value: value}})
}
