package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/chaos/crowd"
)

// Workload is a crowd of workers that call counters, registers and tallies and
// record what they are answered.
type Workload struct {
	Caller  mallee.Caller
	Record  *Recorder
	Seed    uint64
	Workers int // that call at the same time
	Actors  int // counters, and as many registers and tallies
	Nodes   int // whose copies are compared at the end; 0: 1
	// Think is how long a worker waits between calls, on average.
	Think time.Duration

	op     atomic.Int64 // of the last call
	failed atomic.Int64
}

const (
	counterType  = "Counter"
	registerType = "Register"
	tallyType    = "Tally"
	peerType     = "Peer"
	// pageSize is how many operations of a journal are read at a time.
	pageSize = 1000
	// readWithin is how long a cluster that is whole again may take to answer.
	readWithin = time.Minute
	readPause  = 100 * time.Millisecond
)

// Calls counts what has been called, and what of it has not been answered.
func (w *Workload) Calls() (all, failed int64) { return w.op.Load(), w.failed.Load() }

// Run calls until ctx ends, and returns when every call has returned.
func (w *Workload) Run(ctx context.Context) {
	var workers sync.WaitGroup
	for number := range w.Workers {
		workers.Go(func() {
			k := &worker{Workload: w, number: number, random: rand.New(rand.NewPCG(w.Seed, uint64(number)+1)), seen: make(map[string]int64)}
			for sleep(ctx, time.Duration(k.random.ExpFloat64()*float64(w.Think))) {
				k.act(context.WithoutCancel(ctx))
			}
		})
	}
	workers.Wait()
}

// worker calls one actor after the other.
type worker struct {
	*Workload
	number int
	random *rand.Rand
	seen   map[string]int64 // last value of each register
}

// act makes one call, which an end of the run does not cut short.
func (k *worker) act(ctx context.Context) {
	key := strconv.Itoa(k.random.IntN(k.Actors))
	c := Call{Worker: k.number, Actor: mallee.ID{Type: registerType, Key: key}, Relayed: k.random.IntN(2) == 0}
	switch k.random.IntN(8) {
	case 6, 7:
		c.Actor.Type, c.Method, c.Arg = tallyType, Mark, 1+k.random.Int64N(100)
	case 0:
		c.Method = Read
	case 1:
		c.Method = Write
	case 2:
		c.Method, c.Arg = CompareAndSet, k.seen[key]
	case 3:
		c.Actor.Type, c.Method = counterType, Get
	default:
		c.Actor.Type, c.Method, c.Arg = counterType, Add, 1+k.random.Int64N(100)
	}
	if err := k.call(ctx, &c); err != nil || c.Actor.Type != registerType {
		return
	}
	k.seen[key] = c.Result
	if c.mutates() {
		k.seen[key] = c.Op
	}
}

// call makes a call and records it.
func (w *Workload) call(ctx context.Context, c *Call) (err error) {
	c.Op = w.op.Add(1)
	c.Invoke = now()
	c.Result, err = w.invoke(ctx, c)
	c.Return = now()
	switch {
	case err == nil:
		c.Outcome = OK
	case mallee.SafeToRetry(err):
		c.Outcome = Failed
	default:
		c.Outcome = Unknown
	}
	c.Error = ""
	if err != nil {
		w.failed.Add(1)
		c.Result, c.Error = 0, err.Error()
	}
	w.Record.Call(*c)
	return err
}

// invoke makes a call, of a relay if it is to be relayed. Every worker has a
// relay of its own, as none waits for the call of another worker then.
func (w *Workload) invoke(ctx context.Context, c *Call) (int64, error) {
	a := crowd.Ask{Method: c.Method, Key: c.Actor.Key, Op: c.Op, Arg: c.Arg}
	if c.Relayed {
		return crowd.RelayOf(w.Caller, strconv.Itoa(c.Worker)).Pass(ctx, a)
	}
	return a.Call(ctx, w.Caller)
}

// Finish reads every actor, once the cluster is whole again and Run has
// returned: that is what shows what has become of their writes.
func (w *Workload) Finish(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readWithin)
	defer cancel()
	for n := range w.Actors {
		counter := mallee.ID{Type: counterType, Key: strconv.Itoa(n)}
		register := mallee.ID{Type: registerType, Key: counter.Key}
		if err := w.readLast(ctx, Call{Actor: counter, Method: Get}); err != nil {
			return err
		}
		if err := w.readJournal(ctx, counter); err != nil {
			return err
		}
		if err := w.readLast(ctx, Call{Actor: register, Method: Read}); err != nil {
			return err
		}
	}
	return w.readCopies(ctx)
}

func (w *Workload) readLast(ctx context.Context, c Call) error {
	return persist(ctx, c.Actor, func() error { return w.call(ctx, &c) })
}

func (w *Workload) readJournal(ctx context.Context, id mallee.ID) error {
	for skip := int64(0); ; {
		var ops []int64
		err := persist(ctx, id, func() (err error) {
			ops, err = crowd.CounterOf(w.Caller, id.Key).Ops(ctx, skip, pageSize)
			return err
		})
		if err != nil || len(ops) == 0 {
			return err
		}
		w.Record.Journal(id, ops)
		skip += int64(len(ops))
	}
}

// persist repeats a read until it is answered.
func persist(ctx context.Context, id mallee.ID, read func() error) error {
	for {
		err := read()
		if err == nil {
			return nil
		}
		if !sleep(ctx, readPause) {
			return fmt.Errorf("the cluster is whole again, but %s does not answer: %w", id, err)
		}
	}
}
