// Package kafka is a broker on Kafka, and what speaks its protocol. Topics and
// groups are Kafka's own; messages with the same key share a partition.
package kafka

import (
	"context"
	"crypto/tls"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"

	"github.com/mallee-io/mallee/sidecar/internal/broker"
)

// Config says where the brokers are.
type Config struct {
	Brokers []string       // host:port
	TLS     *tls.Config    // nil: plain TCP
	Auth    sasl.Mechanism // nil: none

	// Create lets the brokers make topics that are missing, if they are set to.
	Create bool
}

// Broker is a client of Kafka.
type Broker struct {
	config   Config
	producer *kgo.Client
}

var _ broker.Broker = (*Broker)(nil)

// Dial makes a client. It connects, and connects again, by itself; an error
// tells what is wrong with the configuration.
func Dial(c Config) (*Broker, error) {
	b := &Broker{config: c}
	producer, err := kgo.NewClient(b.options()...)
	if err != nil {
		return nil, fmt.Errorf("dial Kafka: %w", err)
	}
	b.producer = producer
	return b, nil
}

func (b *Broker) options(more ...kgo.Opt) []kgo.Opt {
	options := append([]kgo.Opt{kgo.ClientID("mallee-sidecar"), kgo.SeedBrokers(b.config.Brokers...)}, more...)
	if b.config.TLS != nil {
		options = append(options, kgo.DialTLSConfig(b.config.TLS))
	}
	if b.config.Auth != nil {
		options = append(options, kgo.SASL(b.config.Auth))
	}
	if b.config.Create {
		options = append(options, kgo.AllowAutoTopicCreation())
	}
	return options
}

// Close ends the connections.
func (b *Broker) Close() error {
	b.producer.Close()
	return nil
}

// Publish returns when all in-sync replicas have the message.
func (b *Broker) Publish(ctx context.Context, topic string, m *broker.Message) error {
	r := &kgo.Record{Topic: topic, Value: m.Data}
	if m.Key != "" {
		r.Key = []byte(m.Key)
	}
	for name, value := range m.Headers {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: toKafka(name), Value: []byte(value)})
	}
	return b.producer.ProduceSync(ctx, r).FirstErr()
}

// kafkaPrefix begins the names of attributes of CloudEvents in Kafka's binding.
const kafkaPrefix = "ce_"

func toKafka(name string) string {
	if attribute, ok := strings.CutPrefix(name, broker.AttributePrefix); ok {
		return kafkaPrefix + attribute
	}
	return name
}

func fromKafka(name string) string {
	name = strings.ToLower(name)
	if attribute, ok := strings.CutPrefix(name, kafkaPrefix); ok {
		return broker.AttributePrefix + attribute
	}
	return name
}

func message(r *kgo.Record) *broker.Message {
	m := &broker.Message{
		ID:      fmt.Sprintf("%s/%d/%d", r.Topic, r.Partition, r.Offset),
		Key:     string(r.Key),
		Headers: make(map[string]string, len(r.Headers)),
		Data:    r.Value,
		Time:    r.Timestamp,
	}
	for _, h := range r.Headers {
		m.Headers[fromKafka(h.Key)] = string(h.Value)
	}
	return m
}
