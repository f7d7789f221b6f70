package eventing

import (
	"context"
	"time"

	"github.com/mallee-io/mallee/sidecar/internal/broker"
)

// consume runs a consumer of a topic until Stop.
func (e *Eventing) consume(c *consumer) {
	var t trial
	for e.intake.Err() == nil {
		begin := time.Now()
		err := e.config.Broker.Consume(e.intake, c.source.Topic, c.source.Group, func(ctx context.Context, m *broker.Message) error {
			return e.handle(ctx, c, m)
		})
		if err == nil || e.intake.Err() != nil {
			continue
		}
		if time.Since(begin) > maxBackoff {
			t = trial{} // it has worked for a while
		}
		t.failures++
		wait := t.wait(0)
		e.config.Log.Warn("a topic cannot be consumed now", "consumer", c.String(), "in", wait, "error", err)
		sleep(e.intake, wait)
	}
}

// handle brings a message to its method, again and again until it is handled or
// set aside. It returns an error when it has to stop: the message comes again.
func (e *Eventing) handle(ctx context.Context, c *consumer, m *broker.Message) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	waiting, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(e.intake, stop)()
	ev, unreadable := e.read(c, m)
	var t trial
	for {
		err := unreadable
		if err == nil {
			err = e.deliver(ctx, c, ev)
		}
		switch {
		case err == nil:
			return nil
		case waiting.Err() != nil:
			return err
		case t.failed(err, e.config.Attempts):
			e.aside(c, ev.name, "in the topic, for as long as it keeps messages", err)
			return nil
		}
		sleep(waiting, e.again(c, ev.name, &t, err))
		if waiting.Err() != nil {
			return err
		}
	}
}

// read makes of a message what methods get.
func (e *Eventing) read(c *consumer, m *broker.Message) (event, error) {
	ev := event{name: "message " + m.ID}
	received, err := readCloudEvent(m, c.source.Topic+"_"+c.source.Group)
	if err != nil {
		return ev, unwanted{err}
	}
	if ev.payload, err = received.payload(); err != nil {
		return ev, unwanted{err}
	}
	ev.metadata = received.metadata()
	return ev, nil
}
