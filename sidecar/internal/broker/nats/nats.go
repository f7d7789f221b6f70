// Package nats is a broker on NATS JetStream. A topic is a subject, which some
// stream must have; a group is a durable consumer of that stream.
package nats

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/mallee-io/mallee/sidecar/internal/broker"
)

// Config says where the servers are.
type Config struct {
	Servers []string // nats://[user:password@]host:port, or tls://…

	// Create makes a stream for each topic that no stream has: kept in files, one
	// replica. Otherwise such a topic is an error.
	Create bool

	// AckWait is after how long a message comes again, to another member, when
	// its member is not heard of. Defaults to 30 s.
	AckWait time.Duration
}

// Broker is a client of JetStream.
type Broker struct {
	config Config
	conn   *nats.Conn
	stream jetstream.JetStream
}

var _ broker.Broker = (*Broker)(nil)

// Dial makes a client. It connects, and connects again, by itself; an error
// tells what is wrong with the addresses.
func Dial(c Config) (*Broker, error) {
	if c.AckWait == 0 {
		c.AckWait = 30 * time.Second
	}
	conn, err := nats.Connect(strings.Join(c.Servers, ","), nats.Name("mallee sidecar"),
		nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectBufSize(-1))
	if err != nil {
		return nil, fmt.Errorf("dial NATS: %w", err)
	}
	stream, err := jetstream.New(conn)
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("dial NATS: %w", err)
	}
	return &Broker{config: c, conn: conn, stream: stream}, nil
}

// Close ends the connection.
func (b *Broker) Close() error {
	b.conn.Close()
	return nil
}

// Publish returns when the stream of the topic has stored the message.
func (b *Broker) Publish(ctx context.Context, topic string, m *broker.Message) error {
	message := nats.NewMsg(topic)
	message.Data = m.Data
	for name, value := range m.Headers {
		message.Header[name] = []string{escape(name, value)}
	}
	_, err := b.stream.PublishMsg(ctx, message)
	if !errors.Is(err, jetstream.ErrNoStreamResponse) {
		return err
	}
	if _, err := b.streamOf(ctx, topic); err != nil {
		return err
	}
	_, err = b.stream.PublishMsg(ctx, message)
	return err
}

// streamOf is the name of the stream that has a topic.
func (b *Broker) streamOf(ctx context.Context, topic string) (string, error) {
	name, err := b.stream.StreamNameBySubject(ctx, topic)
	if !errors.Is(err, jetstream.ErrStreamNotFound) {
		return name, err
	}
	name = durable(topic)
	if !b.config.Create {
		return "", fmt.Errorf("no JetStream stream has subject %s: create one, for example with nats stream add %s --subjects %s", topic, name, topic)
	}
	_, err = b.stream.CreateStream(ctx, jetstream.StreamConfig{Name: name, Subjects: []string{topic}})
	return name, err
}
