package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/mallee-io/mallee/bench/keeper"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/storage"
	"github.com/mallee-io/mallee/storage/pebble"
)

// malleeStore is a node whose actors keep journals and states.
type malleeStore struct {
	started
	node *node.Node
}

// open starts the node on the embedded store in a directory.
func (m *malleeStore) open(ctx context.Context, dir string) (end func() error, err error) {
	store, err := pebble.Open(dir)
	if err != nil {
		return nil, err
	}
	return m.openOn(ctx, store)
}

func (m *malleeStore) openOn(ctx context.Context, store storage.Store) (end func() error, err error) {
	if m.node, err = node.Start(ctx, node.Config{Types: keeper.Types(), Store: store}); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return func() error { return errors.Join(m.node.Stop(context.WithoutCancel(ctx)), store.Close()) }, nil
}

func (m *malleeStore) Appends(ctx context.Context, dir string) (func(caller int) func() error, func() error, error) {
	end, err := m.open(ctx, dir)
	return m.appends, end, err
}

func (m *malleeStore) appends(caller int) func() error {
	ledger, sum := keeper.LedgerOf(m.node, strconv.Itoa(caller)), -1
	return func() error {
		got, err := ledger.Add(context.Background(), 1, 1)
		if err == nil && sum >= 0 && got != sum+1 {
			err = fmt.Errorf("the sum is %d after %d", got, sum)
		}
		sum = got
		return err
	}
}

func stateKey(i int) string { return "profile-" + strconv.Itoa(i) }

// fill writes states as the actors would.
func (m *malleeStore) fill(ctx context.Context, dir string, states int) error {
	store, err := pebble.Open(dir)
	if err != nil {
		return err
	}
	const writers = 256
	var wg sync.WaitGroup
	failed := make([]error, writers)
	for w := range writers {
		wg.Go(func() {
			for i := w; i < states && failed[w] == nil; i += writers {
				key := storage.Key{Table: "state.Profile", Key1: stateKey(i), Key2: "data"}
				value := fmt.Appendf(nil, `{"Name":%q,"Level":%d,"Guild":"of those who wait"}`, stateKey(i), i)
				_, failed[w] = store.Apply(ctx, 1, storage.Put(key, value, 0))
			}
		})
	}
	wg.Wait()
	return errors.Join(errors.Join(failed...), store.Close())
}

func (m *malleeStore) load(ctx context.Context, i int) error {
	got, err := keeper.ProfileOf(m.node, stateKey(i)).Name(ctx)
	return check(stateKey(i), got, err)
}

// write appends the events that are replayed.
func (m *malleeStore) write(ctx context.Context, events int) error {
	const batch = 1000
	for range events / batch {
		if _, err := keeper.LedgerOf(m.node, "long").Add(ctx, 1, batch); err != nil {
			return err
		}
	}
	return nil
}

func (m *malleeStore) replay(ctx context.Context, events int) error {
	ledger := keeper.LedgerOf(m.node, "long")
	if err := ledger.Forget(ctx); err != nil {
		return err
	}
	sum, err := ledger.Add(ctx, 0, 0)
	if err == nil && sum != events {
		err = fmt.Errorf("%d of %d events were replayed", sum, events)
	}
	return err
}
