package replicas

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"slices"

	"github.com/mallee-io/mallee/crdt"
	"github.com/mallee-io/mallee/internal/replicas/gossip"
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
// value or a batch may be larger than a row. Every row begins with its version and
// the CRC-32C of what follows. A row of the log says then whether it ends a flush; if
// so, what the store has by it, a clock, stands before the batches' bytes.
//
// All that is written is one row at a time, or deletes what has no meaning any more.
// What does not belong to the head's generation is left over from a checkpoint that
// was not completed, or from the one before, and what is behind the last end of a
// flush has never been promised to anybody.
const (
	table     = "replicas"
	logKey    = "log"
	logPrefix = "rows/"

	rowVersion = 1
	rowHeader  = 1 + crc32.Size
	maxRow     = 256 << 10 // bytes of a row: far from what any store refuses

	rowMore = 0 // what a row of the log begins with
	rowEnd  = 1
)

var headKey = storage.Key{Table: table, Key1: logKey, Key2: "head"}

// head is the row that says what the others mean.
type head struct {
	Version    int              `json:"version"`
	Next       crdt.ReplicaID   `json:"next"`       // the ID of the next replica
	Given      []crdt.ReplicaID `json:"given"`      // those that have not been removed, in ascending order
	Generation uint64           `json:"generation"` // of the checkpoint and of the log behind it; 0: there is no checkpoint
	Rows       int              `json:"rows"`       // of the checkpoint
	Clock      []byte           `json:"clock"`      // what had been seen when the checkpoint began
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

// generationPrefix is what the rows of a generation of the log begin with.
func generationPrefix(generation uint64) string {
	return fmt.Sprintf("%s%016x/", logPrefix, generation)
}

func logRow(generation uint64, number int) storage.Key {
	return storage.Key{Table: table, Key1: logKey, Key2: fmt.Sprintf("%s%016x", generationPrefix(generation), number)}
}

// valuesKey is the key1 of a generation's checkpoint.
func valuesKey(generation uint64) string { return fmt.Sprintf("values/%d", generation%2) }

func valuesRow(generation uint64, number int) storage.Key {
	return storage.Key{Table: table, Key1: valuesKey(generation), Key2: fmt.Sprintf("%016x", number)}
}

// makeRow is the value of a row.
func makeRow(parts ...[]byte) []byte {
	row := slices.Concat(append([][]byte{make([]byte, rowHeader)}, parts...)...)
	row[0] = rowVersion
	binary.BigEndian.PutUint32(row[1:], checksum(row[rowHeader:]))
	return row
}

func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// openRow gives what is behind the header. It refuses a row that is not the one which
// has to come, of a version that is not known, or that has changed.
func openRow(row storage.Row, want storage.Key) ([]byte, error) {
	switch {
	case row.Key != want:
		return nil, fmt.Errorf("the row %s of the store is missing: %s follows", want, row.Key)
	case len(row.Value) < rowHeader || row.Value[0] != rowVersion:
		return nil, damaged(row.Key, fmt.Errorf("it begins with %x, this program knows version %d", row.Value[:min(1, len(row.Value))], rowVersion))
	case binary.BigEndian.Uint32(row.Value[1:]) != checksum(row.Value[rowHeader:]):
		return nil, damaged(row.Key, fmt.Errorf("its checksum is another one"))
	}
	return row.Value[rowHeader:], nil
}

// parseLogRow tells what a row of the log has. An end says that the store has what the
// clock says, once the piece is applied.
func parseLogRow(row storage.Row, want storage.Key) (piece []byte, clock crdt.Clock, end bool, err error) {
	value, err := openRow(row, want)
	switch {
	case err != nil:
		return nil, clock, false, err
	case len(value) > 0 && value[0] == rowMore:
		return value[1:], clock, false, nil
	case len(value) > 0 && value[0] == rowEnd:
		clock, piece, err = crdt.ParseClock(value[1:])
	default:
		err = fmt.Errorf("it does not say whether it ends a flush")
	}
	if err != nil {
		return nil, clock, false, damaged(row.Key, err)
	}
	return piece, clock, true, nil
}

// An entry of a checkpoint is its name after its length; what it is; and its state
// after its length, unless it is deleted.
const (
	entryWhole = iota
	entryDeleted
	entryContinues // a value that an entry before it begins
)

func appendEntry(b []byte, e *gossip.Entry) []byte {
	b = append(binary.AppendUvarint(b, uint64(len(e.Name))), e.Name...)
	switch {
	case e.Deleted:
		return append(b, entryDeleted)
	case e.Continues:
		b = append(b, entryContinues)
	default:
		b = append(b, entryWhole)
	}
	return append(binary.AppendUvarint(b, uint64(len(e.State))), e.State...)
}

// cutEntries takes the entries that are there in whole.
func cutEntries(b []byte) (entries []gossip.Entry, rest []byte) {
	for {
		e, rest, ok := cutEntry(b)
		if !ok {
			return entries, b
		}
		entries, b = append(entries, e), rest
	}
}

func cutEntry(b []byte) (e gossip.Entry, rest []byte, ok bool) {
	name, b, ok := cutBytes(b)
	if !ok || len(b) == 0 || b[0] > entryContinues {
		return e, nil, false
	}
	how, b := b[0], b[1:]
	e = gossip.Entry{Name: string(name), Deleted: how == entryDeleted, Continues: how == entryContinues}
	if !e.Deleted {
		e.State, b, ok = cutBytes(b)
	}
	return e, b, ok
}

// cutBytes takes bytes that stand after their length.
func cutBytes(b []byte) (cut, rest []byte, ok bool) {
	size, n := binary.Uvarint(b)
	if n <= 0 || size > uint64(len(b)-n) {
		return nil, nil, false
	}
	end := n + int(size)
	return b[n:end], b[end:], true
}
