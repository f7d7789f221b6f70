package pd

import (
	"context"
	"fmt"
	"strconv"
	"sync"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/mallee-io/mallee/placement/driver"
)

// counter is a number in etcd that only grows.
type counter struct {
	client *clientv3.Client
	key    string
}

// add raises the counter by n, if the guards hold, and returns what it was.
func (c counter) add(ctx context.Context, n int64, guards ...clientv3.Cmp) (before int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, etcdPatience)
	defer cancel()
	for {
		before, revision, err := c.read(ctx)
		if err != nil {
			return 0, err
		}
		same := clientv3.Compare(clientv3.ModRevision(c.key), "=", revision)
		done, err := c.client.Txn(ctx).If(append(guards, same)...).Then(clientv3.OpPut(c.key, strconv.FormatInt(before+n, 10))).Commit()
		if err != nil {
			return 0, noAnswer("raise "+c.key, err)
		}
		if done.Succeeded {
			return before, nil
		}
		if len(guards) > 0 { // a guard does not hold, or another one was faster
			return 0, errNotLeader
		}
	}
}

func (c counter) read(ctx context.Context) (value, revision int64, err error) {
	got, err := c.client.Get(ctx, c.key)
	if err != nil {
		return 0, 0, noAnswer("read "+c.key, err)
	}
	if len(got.Kvs) == 0 {
		return 0, 0, nil
	}
	value, err = strconv.ParseInt(string(got.Kvs[0].Value), 10, 64)
	if err != nil || value < 0 {
		return 0, 0, fmt.Errorf("the key %s of etcd is damaged: %q", c.key, got.Kvs[0].Value)
	}
	return value, got.Kvs[0].ModRevision, nil
}

// ids gives out numbers that never come again.
type ids struct {
	nodes counter

	mu     sync.Mutex
	blocks map[string]*block
}

// block is a part of a sequence that this process has taken.
type block struct {
	counter
	step int64

	mu        sync.Mutex
	next, end int64
}

func newIDs(client *clientv3.Client, k keys) *ids {
	return &ids{nodes: counter{client, k.ids()}, blocks: make(map[string]*block)}
}

// node gives an ID for a node or a Koala host.
func (i *ids) node(ctx context.Context) (driver.NodeID, error) {
	before, err := i.nodes.add(ctx, 1)
	return driver.NodeID(before + 1), err
}

// issuedLife is how long a Koala host has to register after it got its ID, in
// seconds. Hosts do so at once.
const issuedLife = 3600

// host gives an ID to a Koala host, and the right to register under it, which
// is a key that its registration takes away. So nothing has to be remembered of
// IDs that were used.
func (i *ids) host(ctx context.Context, k keys) (driver.NodeID, error) {
	id, err := i.node(ctx)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, etcdPatience)
	defer cancel()
	lease, err := i.nodes.client.Grant(ctx, issuedLife)
	if err != nil {
		return 0, noAnswer("issue an id", err)
	}
	if _, err := i.nodes.client.Put(ctx, k.issued(id), "", clientv3.WithLease(lease.ID)); err != nil {
		return 0, noAnswer("issue an id", err)
	}
	return id, nil
}

// maxBlocks bounds the memory for sequences, which clients name. Whatever is
// left of their blocks is lost when there are more.
const maxBlocks = 10_000

// sequence gives the next number of a sequence. step is how many are taken from
// etcd at once; the first call for a sequence fixes it.
func (i *ids) sequence(ctx context.Context, key string, step int64) (int64, error) {
	i.mu.Lock()
	b := i.blocks[key]
	if b == nil {
		if len(i.blocks) == maxBlocks {
			clear(i.blocks)
		}
		b = &block{counter: counter{i.nodes.client, key}, step: max(step, 1)}
		i.blocks[key] = b
	}
	i.mu.Unlock()
	return b.take(ctx)
}

func (b *block) take(ctx context.Context) (int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next == b.end {
		before, err := b.add(ctx, b.step)
		if err != nil {
			return 0, err
		}
		b.next, b.end = before+1, before+1+b.step
	}
	b.next++
	return b.next - 1, nil
}
