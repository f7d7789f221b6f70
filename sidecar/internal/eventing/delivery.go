package eventing

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/sidecar/internal/command"
)

// event is one event as methods get it.
type event struct {
	name     string // in logs
	payload  command.Payload
	metadata command.Metadata
}

// deliver gives an event to the method that takes it, and returns when it is
// handled with all that it has led to: forwards, effects, published replies.
func (e *Eventing) deliver(ctx context.Context, c *consumer, ev event) error {
	method := c.method(ev.payload.TypeURL)
	if method == nil {
		return unwanted{mallee.ErrNotFound.Errorf("no method takes events of type %s: add one to the user function, or one that takes google.protobuf.Any", ev.payload.TypeURL)}
	}
	ctx, cancel := context.WithTimeout(ctx, e.config.Timeout)
	defer cancel()
	defer context.AfterFunc(e.work, cancel)()
	err := e.router.Call(ctx, e.actors, &command.Command{On: method, Payload: ev.payload, Metadata: ev.metadata})
	if err == nil {
		c.counts.handled.Add(1)
		return nil
	}
	if method.Topic != "" || !refused(err) {
		return err
	}
	// The protocol's rule: where nothing is to be published, a failure is an
	// answer like any other.
	c.counts.refused.Add(1)
	e.config.Log.Warn("a consumer has answered an event with a failure, which counts as handled",
		"consumer", c.String(), "method", method.Path(), "event", ev.name, "error", err)
	return nil
}

// again counts a failure, tells of it, and says how long to wait.
func (e *Eventing) again(c *consumer, name string, t *trial, err error) time.Duration {
	c.counts.retried.Add(1)
	wait := t.wait(rand.Float64()) //nolint:gosec // spreads load
	e.config.Log.Warn("an event was not handled and is tried again", "consumer", c.String(), "event", name, "failures", t.failures, "in", wait, "error", err)
	return wait
}

// aside counts an event that is set aside, and tells everybody.
func (e *Eventing) aside(c *consumer, name, kept string, err error) {
	c.counts.aside.Add(1)
	e.config.Log.Error("an event is set aside: its consumer goes on with the next one", "consumer", c.String(), "event", name, "kept", kept, "error", err)
	e.config.Report("The consumer of " + c.String() + " goes on without " + name + ": " + err.Error())
}
