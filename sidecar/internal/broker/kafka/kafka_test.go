package kafka_test

import (
	"context"
	"strconv"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/mallee-io/mallee/sidecar/internal/broker"
	"github.com/mallee-io/mallee/sidecar/internal/broker/brokertest"
	"github.com/mallee-io/mallee/sidecar/internal/broker/kafka"
)

func serve(t *testing.T, topics ...string) []string {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, topics...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c.ListenAddrs()
}

func dial(t *testing.T, c kafka.Config) *kafka.Broker {
	b, err := kafka.Dial(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func TestBroker(t *testing.T) {
	t.Parallel()
	addrs := serve(t, brokertest.Topics()...)
	brokertest.Run(t, func(t *testing.T) broker.Broker { return dial(t, kafka.Config{Brokers: addrs}) })
}

func TestAMissingTopic(t *testing.T) {
	t.Parallel()
	b := dial(t, kafka.Config{Brokers: serve(t)})
	if err := b.Consume(t.Context(), "orders", "g", nil); err == nil || !strings.Contains(err.Error(), "consume topic orders of Kafka: UNKNOWN_TOPIC") {
		t.Error(err)
	}
	if err := b.Publish(t.Context(), "orders", &broker.Message{}); err == nil {
		t.Error("published")
	}
}

// A partition with more than is held of it goes on when that is done.
func TestABacklog(t *testing.T) {
	t.Parallel()
	b := dial(t, kafka.Config{Brokers: serve(t, "orders")})
	const messages = 3000
	for n := range messages {
		if err := b.Publish(t.Context(), "orders", &broker.Message{Key: "key", Data: []byte(strconv.Itoa(n))}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	next := 0
	if err := b.Consume(ctx, "orders", "g", func(_ context.Context, m *broker.Message) error {
		if string(m.Data) != strconv.Itoa(next) {
			t.Errorf("got %s, want %d", m.Data, next)
		}
		if next++; next == messages {
			cancel()
		}
		return nil
	}); err != nil || next != messages {
		t.Errorf("%d messages, %v", next, err)
	}
}
