package replicas

import (
	"encoding/json"
	"fmt"

	"github.com/mallee-io/mallee/crdt"
	"github.com/mallee-io/mallee/storage"
)

// What the store has of the replicated values, in one table:
//
//	log       head                    → the head: which checkpoint there is
//	log       rows/GENERATION/NUMBER  → batches since that checkpoint
//	values/N  NUMBER                  → the values of the checkpoint; N is its generation modulo 2
//
// Generations and numbers have 16 hexadecimal digits; numbers count from 1. The rows
// of a generation are one stream of bytes, cut into pieces of at most maxRow, so a
// value or a batch may be larger than a row. Every row begins with its version. A row
// of the log says in its second byte whether it ends a flush; then what the store has
// by it, a clock, stands before the batches' bytes.
//
// All that is written is one row at a time, or deletes what has no meaning any more.
// What does not belong to the head's generation is left over from a checkpoint that
// was not completed, or from the one before, and what is behind the last end of a
// flush has never been promised to anybody.
const (
	table     = "replicas"
	logKey    = "log"
	headKey   = "head"
	logPrefix = "rows/"

	rowVersion = 1
	maxRow     = 256 << 10 // bytes of a row: far from what any store refuses

	rowMore = 0 // the second byte of a row of the log
	rowEnd  = 1
)

// head is the row that says what the others mean.
type head struct {
	Version    int    `json:"version"`
	Next       uint64 `json:"next"`       // the ID of the next replica
	Generation uint64 `json:"generation"` // of the checkpoint and of the log behind it; 0: there is no checkpoint
	Rows       uint64 `json:"rows"`       // of the checkpoint
	Clock      []byte `json:"clock"`      // that the checkpoint is at, before the log is applied
}

const headVersion = 1

func parseHead(row storage.Row) (h head, clock crdt.Clock, err error) {
	err = json.Unmarshal(row.Value, &h)
	switch {
	case err != nil:
		return head{}, clock, damaged(row.Key, err)
	case h.Version != headVersion:
		return head{}, clock, damaged(row.Key, fmt.Errorf("its version is %d, this program knows %d", h.Version, headVersion))
	case h.Next == 0:
		return head{}, clock, damaged(row.Key, fmt.Errorf("it has no ID for the next replica"))
	case h.Generation == 0:
		return h, clock, nil
	}
	clock, rest, err := crdt.ParseClock(h.Clock)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%d bytes behind its clock", len(rest))
	}
	if err != nil {
		return head{}, clock, damaged(row.Key, err)
	}
	return h, clock, nil
}

func damaged(key storage.Key, err error) error {
	return fmt.Errorf("the row %s of the store cannot be read: %w", key, err)
}

func key(key1, key2 string) storage.Key {
	return storage.Key{Table: table, Key1: key1, Key2: key2}
}

// generationPrefix is what the rows of a generation of the log begin with.
func generationPrefix(generation uint64) string { return fmt.Sprintf("%s%016x/", logPrefix, generation) }

func logRow(generation, number uint64) storage.Key {
	return key(logKey, fmt.Sprintf("%s%016x", generationPrefix(generation), number))
}

// valuesKey is the key1 of a generation's checkpoint.
func valuesKey(generation uint64) string { return fmt.Sprintf("values/%d", generation%2) }

func valuesRow(generation, number uint64) storage.Key {
	return key(valuesKey(generation), fmt.Sprintf("%016x", number))
}

// parseLogRow tells what a row of the log has. end says that the store has what clock
// says, once the row is applied.
func parseLogRow(row storage.Row) (piece []byte, clock crdt.Clock, end bool, err error) {
	b := row.Value
	switch {
	case len(b) < 2 || b[0] != rowVersion || b[1] > rowEnd:
		return nil, clock, false, damaged(row.Key, fmt.Errorf("it begins with %.2x, this program knows version %d", b[:min(2, len(b))], rowVersion))
	case b[1] == rowMore:
		return b[2:], clock, false, nil
	}
	clock, piece, err = crdt.ParseClock(b[2:])
	if err != nil {
		return nil, clock, false, damaged(row.Key, err)
	}
	return piece, clock, true, nil
}
