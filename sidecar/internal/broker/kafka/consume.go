package kafka

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/mallee-io/mallee/sidecar/internal/broker"
)

// Bounds of what is held of a partition that is not handled yet: twice as much,
// or one message, whatever its size.
const (
	maxFetch = 1 << 20 // bytes
	maxQueue = 1000    // messages
)

// Consume has a client of its own, as a member of the group, and a goroutine for
// each partition that the member gets.
func (b *Broker) Consume(ctx context.Context, topic, group string, handle broker.Handler) error {
	m := &member{topic: topic, handle: handle, workers: make(map[int32]*worker)}
	client, err := kgo.NewClient(b.options(
		kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.FetchMaxPartitionBytes(maxFetch),
		kgo.AutoCommitMarks(), kgo.AutoCommitInterval(time.Second),
		kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsRevoked(m.revoked), kgo.OnPartitionsLost(m.lost),
	)...)
	if err != nil {
		return fmt.Errorf("join group %s: %w", group, err)
	}
	m.client = client
	defer client.CloseAllowingRebalance()
	if err := b.check(ctx, client, topic); err != nil {
		return err
	}
	err = m.poll(ctx)
	m.leave()
	return err
}

// check reports a topic that is not there: a member of a group would wait for it
// without a word.
func (b *Broker) check(ctx context.Context, client *kgo.Client, topic string) error {
	request := kmsg.NewPtrMetadataRequest()
	asked := kmsg.NewMetadataRequestTopic()
	asked.Topic = &topic
	request.Topics = []kmsg.MetadataRequestTopic{asked}
	request.AllowAutoTopicCreation = b.config.Create
	response, err := request.RequestWith(ctx, client)
	if ctx.Err() != nil {
		return nil
	}
	if err == nil && len(response.Topics) == 1 {
		err = kerr.ErrorForCode(response.Topics[0].ErrorCode)
	}
	if err != nil {
		return fmt.Errorf("consume topic %s of Kafka: %w", topic, err)
	}
	return nil
}

// member is one member of a group.
type member struct {
	client *kgo.Client
	topic  string
	handle broker.Handler

	mu      sync.Mutex
	workers map[int32]*worker // by partition
}

func (m *member) poll(ctx context.Context) error {
	for {
		fetches := m.client.PollFetches(ctx)
		if ctx.Err() != nil {
			m.client.AllowRebalance()
			return nil
		}
		err := fetches.Err()
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			if len(p.Records) > 0 {
				m.worker(p.Partition).give(p.Records)
			}
		})
		m.client.AllowRebalance()
		if err != nil {
			return err
		}
	}
}

// worker is that of a partition.
func (m *member) worker(partition int32) *worker {
	m.mu.Lock()
	defer m.mu.Unlock()
	w := m.workers[partition]
	if w == nil {
		w = newWorker(m, partition)
		m.workers[partition] = w
		go w.run()
	}
	return w
}

// take removes the workers of some partitions, or of all.
func (m *member) take(partitions []int32, all bool) (taken []*worker) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if all {
		for p := range m.workers {
			partitions = append(partitions, p)
		}
	}
	for _, p := range partitions {
		if w := m.workers[p]; w != nil {
			taken = append(taken, w)
			delete(m.workers, p)
		}
	}
	return taken
}

// grace is how long a message may take that is handled when its partition is
// given to another member. The group waits for it.
const grace = 10 * time.Second

// revoked gives partitions to other members, with all that is done.
func (m *member) revoked(ctx context.Context, client *kgo.Client, partitions map[string][]int32) {
	workers := m.take(partitions[m.topic], false)
	patience, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	for _, w := range workers {
		w.stop()
	}
	for _, w := range workers {
		w.wait(patience)
	}
	m.commit(ctx, client)
}

// lost is told that the group has given partitions to others already.
func (m *member) lost(_ context.Context, _ *kgo.Client, partitions map[string][]int32) {
	for _, w := range m.take(partitions[m.topic], false) {
		w.stop()
		w.cancel()
		<-w.done
	}
}

// leave waits for what is being handled.
func (m *member) leave() {
	workers := m.take(nil, true)
	for _, w := range workers {
		w.stop()
	}
	for _, w := range workers {
		w.wait(context.Background())
	}
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	m.commit(ctx, m.client)
}

// commit tells the group what is done. When that fails it comes again.
func (m *member) commit(ctx context.Context, client *kgo.Client) {
	_ = client.CommitMarkedOffsets(ctx)
}
