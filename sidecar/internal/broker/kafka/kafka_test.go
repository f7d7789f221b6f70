package kafka_test

import (
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
