package reminders

import (
	"context"
	"log/slog"
	"strconv"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/storage"
)

// round is how long the waker takes to look at every shard once: shards wake
// one after the other, not all at once when a cluster starts.
const round = 10 * time.Second

// Wake looks at the shards in turn, until ctx ends, and wakes those that have
// something to do before it comes by again. Every node that hosts actors does
// this, so it does not matter where a shard lives or whether its node has died.
func Wake(ctx context.Context, caller mallee.Caller, store storage.Store, log *slog.Logger) {
	ticker := time.NewTicker(round / shardCount)
	defer ticker.Stop()
	for n := 0; ; n = (n + 1) % shardCount {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			if err := look(ctx, caller, store, strconv.Itoa(n), now.Add(2*round)); err != nil && ctx.Err() == nil {
				log.Warn("reminders are late", "shard", n, "error", err)
			}
		}
	}
}

// look wakes a shard whose first reminder is due by a time.
func look(ctx context.Context, caller mallee.Caller, store storage.Store, shard string, by time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, round)
	defer cancel()
	for row, err := range store.List(ctx, storage.Range{Table: table, Key1: shard, Prefix: duePrefix, Limit: 1}) {
		if err != nil {
			return err
		}
		// A shard whose first row is damaged says so, and fires the others.
		if at, _, err := parseDue(row.Key.Key2); err != nil || at.Before(by) {
			return MalleeRemindersOf(caller, shard).Wake(ctx)
		}
	}
	return nil
}
