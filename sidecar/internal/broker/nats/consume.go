package nats

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/mallee-io/mallee/sidecar/internal/broker"
)

// Consume takes messages one at a time: the server gives a group no other while
// one is not acknowledged. That is its order, across all members.
func (b *Broker) Consume(ctx context.Context, topic, group string, handle broker.Handler) error {
	consumer, err := b.consumer(ctx, topic, group)
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(1))
	if err != nil {
		return err
	}
	defer messages.Stop()
	defer context.AfterFunc(ctx, messages.Stop)()
	for {
		m, err := messages.Next()
		if ctx.Err() != nil {
			if err == nil {
				_ = m.Nak() // otherwise it comes again a little later
			}
			return nil
		}
		if err != nil {
			return err
		}
		if err := b.handle(ctx, m, handle); err != nil {
			return err
		}
	}
}

func (b *Broker) consumer(ctx context.Context, topic, group string) (jetstream.Consumer, error) {
	stream, err := b.streamOf(ctx, topic)
	if err != nil {
		return nil, err
	}
	name := durable(group) + "==" + durable(topic)
	consumer, err := b.stream.Consumer(ctx, stream, name)
	if !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return consumer, err
	}
	return b.stream.CreateOrUpdateConsumer(ctx, stream, jetstream.ConsumerConfig{
		Durable:       name,
		Description:   fmt.Sprintf("group %s of a mallee sidecar", group),
		FilterSubject: topic,
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       b.config.AckWait,
		MaxAckPending: 1,
	})
}

// handle handles a message, while the server is told that it is being handled.
func (b *Broker) handle(ctx context.Context, m jetstream.Msg, handle broker.Handler) error {
	meta, err := m.Metadata()
	if err != nil {
		return err
	}
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	go b.beat(working, stop, m)
	err = handle(working, &broker.Message{
		ID:      fmt.Sprintf("%s/%d", meta.Stream, meta.Sequence.Stream),
		Headers: headers(m.Headers()),
		Data:    m.Data(),
		Time:    meta.Timestamp,
	})
	if err != nil {
		return m.Nak()
	}
	confirmed, cancel := context.WithTimeout(context.WithoutCancel(ctx), b.config.AckWait)
	defer cancel()
	return m.DoubleAck(confirmed)
}

// beat keeps the message with this member. When the server has not been reached
// for so long that another one may have it, handling is canceled.
func (b *Broker) beat(working context.Context, stop func(), m jetstream.Msg) {
	ticker := time.NewTicker(b.config.AckWait / 4)
	defer ticker.Stop()
	for missed := 0; missed < 3; missed++ {
		select {
		case <-working.Done():
			return
		case <-ticker.C:
		}
		if m.InProgress() == nil && b.conn.IsConnected() {
			missed = -1
		}
	}
	stop()
}
