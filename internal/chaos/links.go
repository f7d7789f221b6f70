package chaos

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Link is the way from one process to another, in this direction alone.
type Link struct {
	From string `json:"from"`
	To   string `json:"to"`
}

func (l Link) String() string { return fmt.Sprint(l.From, " → ", l.To) }

// Links are the ways between the processes of a cluster; at first all are good.
// Proxies ask them about every piece of data. Safe for concurrent use.
type Links struct {
	mu      sync.Mutex
	cut     map[Link]bool
	slow    map[Link]time.Duration
	changed chan struct{} // closed at the next change
}

// NewLinks makes good links.
func NewLinks() *Links {
	return &Links{cut: make(map[Link]bool), slow: make(map[Link]time.Duration), changed: make(chan struct{})}
}

// Cut keeps everything back, until Heal: as TCP repeats what a network loses, a
// connection that survives the cut delivers it then.
func (l *Links) Cut(links ...Link) {
	l.change(func() {
		for _, link := range links {
			l.cut[link] = true
		}
	})
}

// Slow keeps each piece of data back for a time, one after the other.
func (l *Links) Slow(delay time.Duration, links ...Link) {
	l.change(func() {
		for _, link := range links {
			l.slow[link] = delay
		}
	})
}

// Heal makes links good again.
func (l *Links) Heal(links ...Link) {
	l.change(func() {
		for _, link := range links {
			delete(l.cut, link)
			delete(l.slow, link)
		}
	})
}

func (l *Links) change(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
	close(l.changed)
	l.changed = make(chan struct{})
}

// pass returns when a piece of data gets through, or with the context's error.
func (l *Links) pass(ctx context.Context, link Link) error {
	for delayed := false; ; {
		l.mu.Lock()
		cut, delay, changed := l.cut[link], l.slow[link], l.changed
		l.mu.Unlock()
		if !cut && (delay == 0 || delayed) {
			return ctx.Err()
		}
		var late <-chan time.Time
		if !cut {
			late = time.After(delay)
		}
		select {
		case <-late:
			delayed = true
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
