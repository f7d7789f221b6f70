package nats_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/mallee-io/mallee/sidecar/internal/broker"
	"github.com/mallee-io/mallee/sidecar/internal/broker/brokertest"
	"github.com/mallee-io/mallee/sidecar/internal/broker/nats"
)

func serve(t *testing.T) (url string) {
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(time.Minute) {
		t.Fatal("the server does not start")
	}
	return s.ClientURL()
}

func dial(t *testing.T, c nats.Config) *nats.Broker {
	b, err := nats.Dial(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func TestBroker(t *testing.T) {
	t.Parallel()
	url := serve(t)
	brokertest.Run(t, func(t *testing.T) broker.Broker { return dial(t, nats.Config{Servers: []string{url}, Create: true}) })
}

func TestATopicWithoutStream(t *testing.T) {
	t.Parallel()
	b := dial(t, nats.Config{Servers: []string{serve(t)}})
	want := "no JetStream stream has subject shop.orders: create one"
	if err := b.Publish(t.Context(), "shop.orders", &broker.Message{}); err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("publish: %v", err)
	}
	if err := b.Consume(t.Context(), "shop.orders", "g", nil); err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("consume: %v", err)
	}
}

// What a member had when its process was killed comes to another one.
func TestAMemberThatIsNotHeardOf(t *testing.T) {
	t.Parallel()
	config := nats.Config{Servers: []string{serve(t)}, Create: true, AckWait: time.Second}
	dead, alive := dial(t, config), dial(t, config)
	for _, text := range []string{"a", "b"} {
		if err := alive.Publish(t.Context(), "t", &broker.Message{Data: []byte(text)}); err != nil {
			t.Fatal(err)
		}
	}
	canceled := make(chan struct{})
	go func() {
		_ = dead.Consume(t.Context(), "t", "g", func(ctx context.Context, _ *broker.Message) error {
			_ = dead.Close() // its process is gone
			<-ctx.Done()
			close(canceled)
			return ctx.Err()
		})
	}()
	<-canceled
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var got string
	if err := alive.Consume(ctx, "t", "g", func(_ context.Context, m *broker.Message) error {
		if got += string(m.Data); len(got) == 2 {
			cancel()
		}
		return nil
	}); err != nil || got != "ab" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestBadAddress(t *testing.T) {
	t.Parallel()
	if _, err := nats.Dial(nats.Config{Servers: []string{"nats://[::1"}}); err == nil {
		t.Error("no error")
	}
}
