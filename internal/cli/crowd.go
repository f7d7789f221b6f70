package cli

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/examples/game"
)

// crowd plays the game of the demo and measures its calls.
type crowd struct {
	caller mallee.Caller
	all    histogram
	second histogram // since the last line of figures

	errors atomic.Uint64
	first  atomic.Pointer[string] // error
}

// thinking is how long a player waits between two actions, on average.
const thinking = 10 * time.Millisecond

func newCrowd(c mallee.Caller) *crowd { return &crowd{caller: c} }

// play returns when ctx has ended and every player has finished its action.
func (c *crowd) play(ctx context.Context, players int) {
	var wg sync.WaitGroup
	for i := range players {
		wg.Go(func() { c.player(ctx, fmt.Sprint(1000+i), i) })
	}
	wg.Wait()
}

func (c *crowd) player(ctx context.Context, key string, number int) {
	// An action that has begun ends, so that Ctrl-C fails no call.
	calls := context.WithoutCancel(ctx)
	me := game.PlayerOf(c.caller, key)
	random := rand.New(rand.NewPCG(uint64(number), 1))
	room := func() string { return fmt.Sprint("room", random.IntN(10)) }
	c.measure(func() error { _, err := me.Enter(calls, room()); return err })
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Duration(random.ExpFloat64() * float64(thinking))):
		}
		c.measure(func() (err error) {
			switch n := random.IntN(100); {
			case n < 40:
				_, err = me.Echo(calls, "hello")
			case n < 60:
				_, err = me.Give(calls, []string{"sword", "shield", "apple"}[random.IntN(3)], 1)
			case n < 80:
				_, err = me.Chat(calls, "hi all")
			case n < 90:
				_, err = me.Bag(calls)
			case n < 95:
				_, err = me.Enter(calls, room())
			default:
				_, err = game.LeaderboardOf(c.caller, "world").Top(calls, 3)
			}
			return err
		})
	}
}

func (c *crowd) measure(call func() error) {
	start := time.Now()
	err := call()
	took := time.Since(start)
	c.all.add(took)
	c.second.add(took)
	if err != nil {
		c.errors.Add(1)
		text := err.Error()
		c.first.CompareAndSwap(nil, &text)
	}
}

func (c *crowd) total(active int64) summary { return c.summarize(&c.all, active) }

// lastSecond also begins the next one.
func (c *crowd) lastSecond(active int64) summary {
	defer c.second.reset()
	return c.summarize(&c.second, active)
}

func (c *crowd) summarize(h *histogram, active int64) summary {
	s := summary{
		Calls: h.count(), P50: h.quantile(0.5).Microseconds(), P99: h.quantile(0.99).Microseconds(),
		Errors: c.errors.Load(), Active: active,
	}
	if first := c.first.Load(); first != nil {
		s.FirstError = *first
	}
	return s
}
