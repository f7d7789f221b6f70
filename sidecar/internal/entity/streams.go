package entity

import (
	"container/list"
	"context"
	"slices"
	"sync"
)

// Streams bounds how many streams entities have open at a time, for user
// functions that spend a thread on each. When there is no room, the entity whose
// stream was not used for the longest time ends it; its next command opens one
// again. It is safe for concurrent use.
type Streams struct {
	most int

	mu      sync.Mutex
	taken   int
	used    list.List // of *Slot; the one not used for the longest time first
	asked   int       // that were asked to leave, and have not yet
	waiting []chan struct{}
}

// NewStreams lets at most so many streams be open.
func NewStreams(most int) *Streams { return &Streams{most: most} }

// Slot is the place of one stream. The nil one is where there is no bound.
type Slot struct {
	of    *Streams
	at    *list.Element // nil: not used yet, or asked to leave
	asked bool
	leave func(*Slot)
}

// Take waits for a place. Leave is called, and must not block, when the stream
// should end.
func (p *Streams) Take(ctx context.Context, leave func(*Slot)) (*Slot, error) {
	if p == nil {
		return nil, nil
	}
	s := &Slot{of: p, leave: leave}
	p.mu.Lock()
	if p.taken < p.most {
		p.taken++
		p.mu.Unlock()
		return s, nil
	}
	turn := make(chan struct{})
	p.waiting = append(p.waiting, turn)
	p.makeRoom()
	p.mu.Unlock()
	select {
	case <-turn:
		return s, nil
	case <-ctx.Done():
		p.giveUp(turn)
		return nil, ctx.Err()
	}
}

// giveUp takes back a wait, and gives the place on if it has just come.
func (p *Streams) giveUp(turn chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.waiting, turn); i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
		return
	}
	p.giveOn()
}

// makeRoom asks one to leave for each that waits.
func (p *Streams) makeRoom() {
	for p.asked < len(p.waiting) && p.used.Len() > 0 {
		s := p.used.Remove(p.used.Front()).(*Slot)
		s.at, s.asked = nil, true
		p.asked++
		s.leave(s)
	}
}

// giveOn passes a place to the first that waits for one.
func (p *Streams) giveOn() {
	if len(p.waiting) == 0 {
		p.taken--
		return
	}
	close(p.waiting[0])
	p.waiting = slices.Delete(p.waiting, 0, 1)
}

// Use notes that the stream is used now.
func (s *Slot) Use() {
	if s == nil {
		return
	}
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	switch {
	case s.asked:
	case s.at == nil:
		s.at = s.of.used.PushBack(s)
	default:
		s.of.used.MoveToBack(s.at)
	}
	s.of.makeRoom()
}

// Free is called once the stream has ended.
func (s *Slot) Free() {
	if s == nil {
		return
	}
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	if s.at != nil {
		s.of.used.Remove(s.at)
		s.at = nil
	}
	if s.asked {
		s.of.asked--
	}
	s.of.giveOn()
	s.of.makeRoom()
}
