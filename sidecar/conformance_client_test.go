package sidecar_test

import (
	"context"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/mallee-io/mallee/internal/gen/tckpb/tckaction"
	"github.com/mallee-io/mallee/sidecar"
	"github.com/mallee-io/mallee/sidecar/sidecartest"
)

// A client that goes away does not take its command back: the entity is where
// the command has brought it.
func TestClientGoesAwayFromEntity(t *testing.T) {
	t.Parallel()
	for _, m := range models() {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			arrived, answer := make(chan struct{}), make(chan struct{})
			p := start(t, sidecartest.Config{Misbehave: sidecartest.Once(changes, func(_ context.Context, _ proto.Message, out []proto.Message) ([]proto.Message, error) {
				close(arrived)
				<-answer
				return out, nil
			})}, sidecar.Config{})
			ctx, cancel := context.WithCancel(p.ctx)
			gone := *p
			gone.ctx = ctx
			done := make(chan error)
			go func() { _, err := m.add(&gone, "it", "A"); done <- err }()
			<-arrived
			cancel()
			if err := <-done; status.Code(err) != codes.Canceled {
				t.Errorf("the call ends with %v", err)
			}
			close(answer)
			has(t, "A")(m.read(p, "it"))
			has(t, "AB")(m.add(p, "it", "B"))
		})
	}
}

// An action is carried out for its client only, and ends with it.
func TestClientGoesAwayFromAction(t *testing.T) {
	t.Parallel()
	p := start(t, sidecartest.Config{Misbehave: func(ctx context.Context, _ proto.Message, _ []proto.Message) ([]proto.Message, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}, sidecar.Config{})
	client := tckaction.NewActionTckModelClient(p.conn)
	t.Run("unary", func(t *testing.T) {
		ctx, cancel := context.WithCancel(p.ctx)
		done := make(chan error)
		go func() { _, err := client.ProcessUnary(ctx, saying("A")); done <- err }()
		call := p.Expect(t, sidecartest.ActionUnary)
		cancel()
		<-done
		call.Cancelled()
	})
	t.Run("streamed out", func(t *testing.T) {
		ctx, cancel := context.WithCancel(p.ctx)
		if _, err := client.ProcessStreamedOut(ctx, saying("A")); err != nil {
			t.Fatal(err)
		}
		call := p.Expect(t, sidecartest.ActionStreamedOut)
		cancel()
		call.Cancelled()
	})
	t.Run("streamed in", func(t *testing.T) {
		ctx, cancel := context.WithCancel(p.ctx)
		if _, err := client.ProcessStreamedIn(ctx); err != nil {
			t.Fatal(err)
		}
		call := p.Expect(t, sidecartest.ActionStreamedIn)
		cancel()
		call.Cancelled()
	})
}

// The deadline of a client goes along: the user function is told when nobody
// waits any more.
func TestClientHasDeadline(t *testing.T) {
	t.Parallel()
	deadline := make(chan bool, 1)
	p := start(t, sidecartest.Config{Misbehave: func(ctx context.Context, _ proto.Message, out []proto.Message) ([]proto.Message, error) {
		_, ok := ctx.Deadline()
		deadline <- ok
		return out, nil
	}}, sidecar.Config{})
	if _, err := tckaction.NewActionTckModelClient(p.conn).ProcessUnary(p.ctx, saying("A")); err != nil {
		t.Fatal(err)
	}
	if !<-deadline {
		t.Error("the user function is not told of the deadline")
	}
}
