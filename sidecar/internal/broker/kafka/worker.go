package kafka

import (
	"context"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// worker handles the messages of one partition, in their order.
type worker struct {
	of        *member
	partition int32
	working   context.Context // ends when another member has the partition
	cancel    context.CancelFunc
	stopping  chan struct{}
	stop      func()
	done      chan struct{}

	mu    sync.Mutex
	queue []*kgo.Record
	more  chan struct{} // has an element when queue may have
}

func newWorker(m *member, partition int32) *worker {
	w := &worker{of: m, partition: partition, stopping: make(chan struct{}), done: make(chan struct{}), more: make(chan struct{}, 1)}
	w.working, w.cancel = context.WithCancel(context.Background())
	w.stop = sync.OnceFunc(func() { close(w.stopping) })
	return w
}

// self names the partition to the client.
func (w *worker) self() map[string][]int32 { return map[string][]int32{w.of.topic: {w.partition}} }

func (w *worker) give(records []*kgo.Record) {
	w.mu.Lock()
	w.queue = append(w.queue, records...)
	w.mu.Unlock()
	select {
	case w.more <- struct{}{}:
	default:
	}
}

func (w *worker) take() []*kgo.Record {
	w.mu.Lock()
	defer w.mu.Unlock()
	records := w.queue
	w.queue = nil
	return records
}

func (w *worker) run() {
	defer close(w.done)
	defer w.cancel()
	for {
		select {
		case <-w.more:
		case <-w.stopping:
			return
		}
		for _, r := range w.take() {
			if !w.handle(r) {
				return
			}
		}
		w.of.client.ResumeFetchPartitions(w.self())
	}
}

// handle handles a message until it succeeds, unless the worker stops.
func (w *worker) handle(r *kgo.Record) bool {
	for {
		select {
		case <-w.stopping:
			return false
		default:
		}
		if w.of.handle(w.working, message(r)) == nil {
			w.of.client.MarkCommitRecords(r)
			return true
		}
	}
}

// wait waits until the worker has stopped; when ctx ends, what it does is
// canceled.
func (w *worker) wait(ctx context.Context) {
	select {
	case <-w.done:
	case <-ctx.Done():
		w.cancel()
		<-w.done
	}
}
