package reminders

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/storage"
)

// A reminder is two rows of its shard, written together:
//
//	of/TYPE/KEY/NAME         → the entry
//	due/TIME/TYPE/KEY/NAME   → nothing; in the order of the times
//
// TYPE and KEY are escaped as in a URL's path. TIME is that of the next try, in
// nanoseconds since 1970 with 19 digits. A shard is all that has one key1.
const (
	table     = "reminders"
	duePrefix = "due/"
	ofPrefix  = "of/"
	// shardCount is part of the format: it says where a reminder is found.
	shardCount = 64
)

// shardOf is the key1, and the key of the actor, that keep the actor's reminders.
func shardOf(actor mallee.ID) string {
	h := fnv.New64a()
	h.Write([]byte(actor.String()))
	return strconv.FormatUint(h.Sum64()%shardCount, 10)
}

// place is where the reminders of an actor are, within their shard.
func place(actor mallee.ID) string {
	return url.PathEscape(actor.Type) + "/" + url.PathEscape(actor.Key) + "/"
}

func dueKey(at time.Time, place string) string {
	return fmt.Sprintf("%s%019d/%s", duePrefix, at.UnixNano(), place)
}

// parseDue reads what dueKey wrote; place has the name of the reminder at its end.
func parseDue(key2 string) (at time.Time, place string, err error) {
	digits, place, ok := strings.Cut(strings.TrimPrefix(key2, duePrefix), "/")
	nanos, err := strconv.ParseInt(digits, 10, 64)
	if !ok || err != nil {
		return time.Time{}, "", fmt.Errorf("the store has a reminder at %q, which is no time", key2)
	}
	return time.Unix(0, nanos), place, nil
}

// rows reads and writes the reminders of one shard.
type rows struct {
	store storage.Store
	shard string
}

func (r rows) key(key2 string) storage.Key {
	return storage.Key{Table: table, Key1: r.shard, Key2: key2}
}

// kept is an entry with the version of its row, 0 when there is none.
type kept struct {
	entry
	version uint64
}

func (r rows) get(ctx context.Context, place string) (k kept, err error) {
	row, err := r.store.Get(ctx, r.key(ofPrefix+place))
	if errors.Is(err, storage.ErrNotFound) {
		return kept{}, nil
	}
	if err != nil {
		return kept{}, err
	}
	return decode(row)
}

func decode(row storage.Row) (k kept, err error) {
	if err := json.Unmarshal(row.Value, &k.entry); err != nil {
		return kept{}, fmt.Errorf("decode reminder %s: %w", row.Key, err)
	}
	k.version = row.Version
	return k, nil
}

// replace makes the ops that put an entry, or nothing, in the place of what is
// kept now.
func (r rows) replace(ctx context.Context, place string, old kept, fresh *entry) (ops []storage.Op, err error) {
	of := r.key(ofPrefix + place)
	from, to := "", ""
	if old.version != 0 {
		from = dueKey(old.At, place)
	}
	switch {
	case fresh != nil:
		to = dueKey(fresh.At, place)
		value, err := json.Marshal(fresh)
		if err != nil {
			return nil, err
		}
		ops = append(ops, storage.Put(of, value, old.version))
	case old.version != 0:
		ops = append(ops, storage.Delete(of, old.version))
	}
	if from == to {
		return ops, nil
	}
	if from != "" {
		row, err := r.store.Get(ctx, r.key(from))
		if err != nil {
			return nil, fmt.Errorf("reminder %s is not at its time: %w", of, err)
		}
		ops = append(ops, storage.Delete(row.Key, row.Version))
	}
	if to != "" {
		ops = append(ops, storage.Put(r.key(to), []byte("null"), 0))
	}
	return ops, nil
}
