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

	mu     sync.Mutex
	queue  []*kgo.Record
	bytes  int           // in queue
	paused bool          // the partition is not fetched
	more   chan struct{} // has an element when queue may have
}

func newWorker(m *member, partition int32) *worker {
	w := &worker{of: m, partition: partition, stopping: make(chan struct{}), done: make(chan struct{}), more: make(chan struct{}, 1)}
	w.working, w.cancel = context.WithCancel(context.Background())
	w.stop = sync.OnceFunc(func() { close(w.stopping) })
	return w
}

// self names the partition to the client.
func (w *worker) self() map[string][]int32 { return map[string][]int32{w.of.topic: {w.partition}} }

// give queues messages. While there are many, the partition is not fetched. To
// pause is not for few: the client goes on only when the fetch that is under way
// has ended, which may take seconds.
func (w *worker) give(records []*kgo.Record) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue = append(w.queue, records...)
	for _, r := range records {
		w.bytes += len(r.Key) + len(r.Value)
	}
	if !w.paused && (w.bytes > maxFetch || len(w.queue) > maxQueue) {
		w.paused = true
		w.of.client.PauseFetchPartitions(w.self())
	}
	select {
	case w.more <- struct{}{}:
	default:
	}
}

// take is the next message; nil: there is none.
func (w *worker) take() *kgo.Record {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) == 0 {
		w.queue = nil
		w.resume()
		return nil
	}
	r := w.queue[0]
	w.queue[0] = nil
	w.queue = w.queue[1:]
	w.bytes -= len(r.Key) + len(r.Value)
	return r
}

// resume lets the partition be fetched, by the next worker too. Mu is held.
func (w *worker) resume() {
	if w.paused {
		w.paused = false
		w.of.client.ResumeFetchPartitions(w.self())
	}
}

func (w *worker) run() {
	defer close(w.done)
	defer w.end()
	for {
		select {
		case <-w.more:
		case <-w.stopping:
			return
		}
		for r := w.take(); r != nil; r = w.take() {
			if !w.handle(r) {
				return
			}
		}
	}
}

func (w *worker) end() {
	w.cancel()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.resume()
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
