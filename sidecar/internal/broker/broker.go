// Package broker is what the sidecar needs of a message broker: topics that
// groups consume and that anybody publishes to. Packages nats and kafka are
// brokers.
package broker

import (
	"context"
	"time"
)

// Broker carries messages. Its methods are safe for concurrent use.
type Broker interface {
	// Consume hands the messages of a topic to a member of a group, until ctx
	// ends; then it waits for those that are being handled and returns nil. An
	// error says why it cannot go on: what it has not acknowledged comes again.
	//
	// Each message goes to one member. Those of one partition come in their
	// order and one at a time: the next one when handle has returned nil, which
	// acknowledges. After an error of handle the message comes again, here or at
	// another member. The context of handle ends when the partition has been
	// given to another member; it does not end with ctx.
	Consume(ctx context.Context, topic, group string, handle Handler) error

	// Publish returns nil when the broker has stored the message.
	Publish(ctx context.Context, topic string, m *Message) error

	// Close ends the connection. Consume must have returned.
	Close() error
}

// Handler handles a message.
type Handler func(ctx context.Context, m *Message) error

// Message is a message on a topic.
type Message struct {
	ID      string            // of a received one: where it is in its topic
	Key     string            // messages with the same key keep their order; may be empty
	Headers map[string]string // names in lower case; attributes of CloudEvents as ce-…, and content-type
	Data    []byte
	Time    time.Time // of a received one: when it was published
}

// ContentType is the name of the header that says what Data is.
const ContentType = "content-type"

// AttributePrefix begins the names of headers with attributes of CloudEvents.
const AttributePrefix = "ce-"
