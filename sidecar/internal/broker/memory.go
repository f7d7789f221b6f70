package broker

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// Memory is a Broker that lives as long as the process, for tests. Each topic
// has one partition.
func Memory() Broker {
	return &memory{topics: make(map[string][]*Message), groups: make(map[group]*progress), changed: make(chan struct{})}
}

type memory struct {
	mu      sync.Mutex
	topics  map[string][]*Message
	groups  map[group]*progress
	changed chan struct{} // closed and replaced when anything changes
}

type group struct{ topic, name string }

// progress is how many messages of its topic a group has acknowledged, and
// whether a member handles the next one.
type progress struct {
	done int
	busy bool
}

func (b *memory) Publish(ctx context.Context, topic string, m *Message) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	stored := &Message{
		ID: fmt.Sprintf("%s/%d", topic, len(b.topics[topic])), Key: m.Key,
		Headers: maps.Clone(m.Headers), Data: slices.Clone(m.Data), Time: time.Now(),
	}
	b.topics[topic] = append(b.topics[topic], stored)
	b.change()
	return nil
}

func (b *memory) Consume(ctx context.Context, topic, name string, handle Handler) error {
	for {
		m, changed := b.take(group{topic, name})
		if m == nil {
			select {
			case <-changed:
			case <-ctx.Done():
				return nil
			}
			continue
		}
		err := handle(context.WithoutCancel(ctx), m)
		b.give(group{topic, name}, err == nil)
		if ctx.Err() != nil {
			return nil
		}
	}
}

// take begins with the next message of a group, or tells when to look again.
func (b *memory) take(g group) (*Message, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.groups[g]
	if p == nil {
		p = &progress{}
		b.groups[g] = p
	}
	if p.busy || p.done == len(b.topics[g.topic]) {
		return nil, b.changed
	}
	p.busy = true
	return b.topics[g.topic][p.done], nil
}

func (b *memory) give(g group, handled bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.groups[g].busy = false
	if handled {
		b.groups[g].done++
	}
	b.change()
}

func (b *memory) change() {
	close(b.changed)
	b.changed = make(chan struct{})
}

func (b *memory) Close() error { return nil }
