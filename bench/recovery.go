package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/mallee-io/mallee/internal/gen/placementpb"
)

// pdRecovery is how long no actor can be placed after the leading one of three
// processes of the placement driver is killed, while so many actors live. Calls
// to those that live go on meanwhile; one that fails is counted.
func pdRecovery(actors int) bench {
	return bench{
		name:   "pd-recovery-1m",
		unit:   "ms",
		admits: func(c contestant) bool { _, ok := c.(*malleeRemote); return ok },
		measure: func(ctx context.Context, _ contestant, _ time.Duration) (sample, error) {
			m := &malleeRemote{} // with three placement drivers
			if err := m.start(ctx, 3); err != nil {
				return sample{}, err
			}
			placed, err := drive(ctx, 64, 5*time.Minute, activating(ctx, m, "key-", actors))
			if err != nil {
				return sample{}, err
			}
			live := m.callLive(ctx)
			took, err := m.killLeader(ctx)
			tally := live()
			return newSample(float64(took.Milliseconds()), placed, tally), errors.Join(err, m.Stop(ctx))
		},
	}
}

// callLive calls actors that live until it is told to end.
func (m *malleeRemote) callLive(ctx context.Context) (end func() tally) {
	const callers, known = 16, 1000
	var over atomic.Bool
	var wg sync.WaitGroup
	tallies := make([]tally, callers)
	round := func(i int) {
		for k := i; k < known && !over.Load(); k += callers {
			got, err := m.Activate(ctx, "key-"+strconv.Itoa(k+1), "12345678")
			if err := check("12345678", got, err); err != nil {
				tallies[i].fail(1, err)
			}
			tallies[i].done++
		}
	}
	for i := range callers {
		round(i)
		wg.Go(func() {
			for !over.Load() {
				round(i)
			}
		})
	}
	return func() (sum tally) {
		over.Store(true)
		wg.Wait()
		for _, t := range tallies {
			sum.done += t.done
			sum.fail(t.failed, t.first)
		}
		return sum
	}
}

// killLeader kills the leader and returns how long it took until an actor could
// be placed again.
func (m *malleeRemote) killLeader(ctx context.Context) (time.Duration, error) {
	leader, err := m.leader(ctx)
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	if err := m.drivers[leader].kill(); err != nil {
		return 0, err
	}
	m.drivers = append(m.drivers[:leader], m.drivers[leader+1:]...)
	for i := 0; time.Since(begin) < time.Minute && ctx.Err() == nil; i++ {
		if _, err := m.Activate(ctx, "new-"+strconv.Itoa(i), "12345678"); err == nil {
			return time.Since(begin), nil
		}
	}
	return 0, errors.New("no actor could be placed for a minute")
}

func (m *malleeRemote) leader(ctx context.Context) (int, error) {
	conn, err := grpc.NewClient(m.drivers[0].addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	status, err := placementpb.NewAdminClient(conn).Status(ctx, &placementpb.StatusRequest{})
	if err != nil {
		return 0, err
	}
	for _, p := range status.GetProcesses() {
		var i int
		if _, err := fmt.Sscanf(p.GetName(), "pd%d", &i); err == nil && p.GetLeader() {
			return i, nil
		}
	}
	return 0, errors.New("the placement driver has no leader")
}
