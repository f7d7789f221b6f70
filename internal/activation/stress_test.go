package activation_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mallee-io/mallee"
)

// storm is a seeded mixture of everything that turns can do to each other.
type storm struct {
	w      *world
	t      *testing.T
	keys   int
	inside sync.Map // key → *atomic.Int64: goroutines that run code of the actor
}

func (s *storm) enter(key string) {
	n, _ := s.inside.LoadOrStore(key, new(atomic.Int64))
	if now := n.(*atomic.Int64).Add(1); now != 1 {
		s.t.Errorf("%d goroutines run code of actor %s", now, key)
	}
}

func (s *storm) leave(key string) {
	n, _ := s.inside.Load(key)
	n.(*atomic.Int64).Add(-1)
}

// act is the code of a turn: it waits, calls, gives up, panics or ends its
// activation, as the random numbers say. Between calls it touches the actor.
func (s *storm) act(random *rand.Rand, depth int) func(ctx context.Context, a *actor) error {
	seed := random.Uint64()
	return func(ctx context.Context, a *actor) error {
		random := rand.New(rand.NewPCG(seed, 0))
		key := a.self.Key()
		s.enter(key)
		defer s.leave(key)
		for range random.IntN(4) {
			a.touched++
			switch n := random.IntN(100); {
			case n < 50 && depth < 5:
				s.leave(key)
				_ = s.call(ctx, random, depth+1)
				s.enter(key)
			case n < 60:
				time.Sleep(time.Duration(random.IntN(50)) * time.Millisecond)
			case n < 63:
				a.self.DeactivateNow()
			case n < 65:
				panic("storm")
			case n < 70:
				a.self.After(time.Duration(random.IntN(100))*time.Millisecond, func(context.Context) {
					s.enter(key)
					a.touched++
					s.leave(key)
				})
			case n < 75:
				return errors.New("storm")
			}
		}
		return nil
	}
}

func (s *storm) call(ctx context.Context, random *rand.Rand, depth int) error {
	key := fmt.Sprint(random.IntN(s.keys))
	var flags mallee.CallFlags
	switch random.IntN(10) {
	case 0:
		flags = mallee.OneWay
	case 1, 2:
		flags = mallee.ReadOnly
	}
	if random.IntN(10) == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(random.IntN(100))*time.Millisecond)
		defer cancel()
	}
	return s.w.as(ctx, key, "Act", flags, s.act(random, depth))
}

// Whatever happens, one goroutine at a time runs code of an actor, every call
// ends within its deadline, and nothing is left behind.
func TestStorm(t *testing.T) {
	t.Parallel()
	seeds := uint64(60)
	if testing.Short() {
		seeds = 10
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, 1))
				options := []mallee.TypeOption{mallee.IdleTimeout(time.Second), mallee.MailboxSize(1 + random.IntN(20))}
				if random.IntN(4) == 0 {
					options = append(options, mallee.NonReentrant())
				}
				s := &storm{t: t, keys: 1 + random.IntN(6)}
				s.w = newWorld(t, plain, options...)
				var callers sync.WaitGroup
				for range 8 {
					random := rand.New(rand.NewPCG(random.Uint64(), 2))
					callers.Go(func() {
						for range 25 {
							start := time.Now()
							err := s.call(background, random, 0)
							if took := time.Since(start); took > 5200*time.Millisecond {
								t.Errorf("a call took %v: %v", took, err)
							}
						}
					})
				}
				callers.Wait()
				time.Sleep(time.Minute)
				synctest.Wait()
				if active := s.w.runtime.Stats().Active; active != 0 {
					t.Errorf("%d activations did not end", active)
				}
				s.w.stop()
			})
		})
	}
}
