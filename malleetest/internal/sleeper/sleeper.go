// Package sleeper has an actor that misbehaves as it is told, for tests.
package sleeper

import (
	"context"
	"time"

	"github.com/mallee-io/mallee"
)

//go:generate go run github.com/mallee-io/mallee/cmd/mallee generate

// Sleeper does what no actor should.
//
//mallee:actor
type Sleeper interface {
	// Sleep ignores its context.
	Sleep(ctx context.Context, d time.Duration) error
	// Watch returns when its context ends.
	Watch(ctx context.Context) error
	// Call sleeps through another sleeper, which calls the next one, and so on.
	Call(ctx context.Context, next []string, d time.Duration) error
	// Panic panics.
	Panic(ctx context.Context, message string) error
	// Fail returns an error whose text cannot be had.
	Fail(ctx context.Context) error
}

type sleeper struct{ self *mallee.Self }

// New makes a Sleeper.
func New(self *mallee.Self) Sleeper { return &sleeper{self} }

func (s *sleeper) Sleep(_ context.Context, d time.Duration) error {
	time.Sleep(d)
	return nil
}

func (s *sleeper) Watch(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func (s *sleeper) Call(ctx context.Context, next []string, d time.Duration) error {
	if len(next) == 0 {
		return s.Sleep(ctx, d)
	}
	return SleeperOf(s.self, next[0]).Call(ctx, next[1:], d)
}

func (s *sleeper) Panic(_ context.Context, message string) error { panic(message) }

func (s *sleeper) Fail(context.Context) error { return mute{} }

type mute struct{}

func (mute) Error() string { panic("no text") }
