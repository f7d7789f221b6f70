// Package brokertest is what every broker.Broker must pass.
package brokertest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/mallee-io/mallee/sidecar/internal/broker"
)

// patience bounds waits for what has to come.
const patience = time.Minute

// Run runs the suite. Dial makes one more client of the same broker, which knows
// the topics that the suite names: one of each test.
func Run(t *testing.T, dial func(*testing.T) broker.Broker) {
	for name, test := range map[string]func(*testing.T, *place){
		"messages come as they were":         asTheyWere,
		"in order and one at a time":         inOrder,
		"a failed message comes again":       again,
		"stopping waits for the handler":     stopWaits,
		"what a member has left":             leftBehind,
		"members of a group share, not both": share,
		"each group gets all":                groups,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := &place{dial: func() broker.Broker { return dial(t) }, topic: Topic(name)}
			p.Broker = p.dial()
			test(t, p)
		})
	}
}

// Topics are those of all tests.
func Topics() []string {
	return []string{
		Topic("messages come as they were"), Topic("in order and one at a time"), Topic("a failed message comes again"),
		Topic("stopping waits for the handler"), Topic("what a member has left"), Topic("members of a group share, not both"), Topic("each group gets all"),
	}
}

// Topic is that of a test.
func Topic(name string) string {
	b := []byte("test." + name)
	for i, c := range b {
		if c == ' ' || c == ',' {
			b[i] = '-'
		}
	}
	return string(b)
}

type place struct {
	broker.Broker
	dial  func() broker.Broker
	topic string
}

func (p *place) publish(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if err := p.Publish(t.Context(), p.topic, &broker.Message{Key: "key", Data: []byte(text)}); err != nil {
			t.Fatal(err)
		}
	}
}

// consumer is a member of a group. It takes what it is given from heard, and
// answers with what answers has.
type consumer struct {
	heard   chan *broker.Message
	answers chan error
	stop    func() // returns when Consume has
}

func consume(t *testing.T, b broker.Broker, topic, group string) *consumer {
	ctx, cancel := context.WithCancel(t.Context())
	c := &consumer{heard: make(chan *broker.Message), answers: make(chan error)}
	ended := make(chan error, 1)
	go func() {
		ended <- b.Consume(ctx, topic, group, func(_ context.Context, m *broker.Message) error {
			select {
			case c.heard <- m:
			case <-ctx.Done():
				return ctx.Err()
			}
			return <-c.answers
		})
	}()
	c.stop = func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
			ended <- nil
		case <-time.After(patience):
			t.Error("Consume does not end")
		}
	}
	t.Cleanup(c.stop)
	return c
}

func (c *consumer) next(t *testing.T) *broker.Message {
	t.Helper()
	select {
	case m := <-c.heard:
		return m
	case <-time.After(patience):
		t.Fatal("no message comes")
		return nil
	}
}

func (c *consumer) expect(t *testing.T, text string, answer error) {
	t.Helper()
	m := c.next(t)
	c.answers <- answer
	if string(m.Data) != text {
		t.Fatalf("got %q, want %q", m.Data, text)
	}
}

func asTheyWere(t *testing.T, p *place) {
	sent := &broker.Message{
		Key:     "key",
		Headers: map[string]string{"content-type": "text/plain; charset=utf-8", "ce-id": "1", "ce-source": "a/b c", "ce-subject": "größe \"100%\"\n"},
		Data:    []byte{0, 1, 2, 0xff},
	}
	if err := p.Publish(t.Context(), p.topic, sent); err != nil {
		t.Fatal(err)
	}
	p.publish(t, "")
	c := consume(t, p, p.topic, "com.example.Group")
	m := c.next(t)
	c.answers <- nil
	if string(m.Data) != string(sent.Data) || !reflect.DeepEqual(m.Headers, sent.Headers) {
		t.Errorf("got %q with %q", m.Data, m.Headers)
	}
	if m.ID == "" || time.Since(m.Time) > time.Hour {
		t.Errorf("the id is %q, the time %v", m.ID, m.Time)
	}
	if empty := c.next(t); len(empty.Data) != 0 || empty.ID == m.ID {
		t.Errorf("then came %q with id %q", empty.Data, empty.ID)
	}
	c.answers <- nil
}

func inOrder(t *testing.T, p *place) {
	c := consume(t, p, p.topic, "group")
	for n := range 20 {
		p.publish(t, fmt.Sprint(n))
	}
	for n := range 20 {
		c.expect(t, fmt.Sprint(n), nil)
	}
}

func again(t *testing.T, p *place) {
	p.publish(t, "a", "b")
	c := consume(t, p, p.topic, "group")
	c.expect(t, "a", errors.New("not now"))
	c.expect(t, "a", nil)
	c.expect(t, "b", nil)
}

func stopWaits(t *testing.T, p *place) {
	p.publish(t, "a", "b")
	c := consume(t, p, p.topic, "group")
	c.next(t)
	stopped := make(chan struct{})
	go func() { c.stop(); close(stopped) }()
	select {
	case <-stopped:
		t.Error("stopped while a message was handled")
	case c.answers <- nil:
	}
	<-stopped
	consume(t, p, p.topic, "group").expect(t, "b", nil)
}

func leftBehind(t *testing.T, p *place) {
	p.publish(t, "a", "b")
	first := consume(t, p.dial(), p.topic, "group")
	first.expect(t, "a", nil)
	first.next(t)
	go func() { first.answers <- errors.New("this member stops") }()
	first.stop()
	consume(t, p, p.topic, "group").expect(t, "b", nil)
}

func share(t *testing.T, p *place) {
	one, two := consume(t, p.dial(), p.topic, "group"), consume(t, p.dial(), p.topic, "group")
	for n := range 20 {
		text := fmt.Sprint(n)
		p.publish(t, text)
		var m *broker.Message
		select {
		case m = <-one.heard:
			one.answers <- nil
		case m = <-two.heard:
			two.answers <- nil
		case <-time.After(patience):
			t.Fatal("no message comes")
		}
		if string(m.Data) != text {
			t.Fatalf("got %q, want %q", m.Data, text)
		}
	}
}

func groups(t *testing.T, p *place) {
	one, two := consume(t, p, p.topic, "one"), consume(t, p, p.topic, "two")
	p.publish(t, "a")
	one.expect(t, "a", nil)
	two.expect(t, "a", nil)
}
