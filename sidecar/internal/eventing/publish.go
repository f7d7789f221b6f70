package eventing

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/sidecar/internal/broker"
	"github.com/mallee-io/mallee/sidecar/internal/command"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
)

// Publish gives a reply of a method to its topic, and returns nil when the
// broker has stored it. The metadata of the reply may set any attribute of the
// event.
func (e *Eventing) Publish(ctx context.Context, m *spec.Method, r *command.Reply) error {
	if m.Topic == "" || r == nil {
		return nil
	}
	event, err := publication(m, r)
	if err != nil {
		return mallee.ErrInvalid.Errorf("publish the reply of %s.%s: %v", m.Service.Name, m.Name, err)
	}
	ctx, cancel := context.WithTimeout(ctx, e.config.Timeout)
	defer cancel()
	if err := e.config.Broker.Publish(ctx, m.Topic, event.message()); err != nil {
		e.published.failed.Add(1)
		return mallee.ErrUnavailable.Errorf("publish the reply of %s.%s to topic %s: %v", m.Service.Name, m.Name, m.Topic, err)
	}
	e.published.done.Add(1)
	return nil
}

// publication makes an event of a reply.
func publication(m *spec.Method, r *command.Reply) (*cloudEvent, error) {
	data, contentType, eventType, err := content(r.Payload)
	if err != nil {
		return nil, err
	}
	e := &cloudEvent{attributes: make(map[string]string), data: data}
	for _, entry := range r.Metadata {
		name := strings.ToLower(entry.Key)
		attribute, ok := strings.CutPrefix(name, broker.AttributePrefix)
		switch {
		case entry.Binary:
		case ok:
			e.missing(attribute, entry.Text)
		case name == broker.ContentType && e.contentType == "":
			e.contentType = entry.Text
		}
	}
	if e.contentType == "" {
		e.contentType = contentType
	}
	e.takeContentType()
	if e.contentType == anyContent {
		eventType = r.Payload.TypeURL
	}
	e.missing("id", uuid.NewString())
	e.missing("source", m.Service.Name)
	e.missing("specversion", specVersion)
	e.missing("type", eventType)
	e.missing("time", time.Now().UTC().Format(time.RFC3339Nano))
	return e, nil
}
