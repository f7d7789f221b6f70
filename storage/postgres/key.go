package postgres

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/mallee-io/mallee/storage"
)

// partitionID stands for a table and key1 in all tables: whoever has those can
// compute it, so rows are found without a look at the partition. It is a
// digest, and must stay as it is.
func partitionID(table, key1 string) pgtype.UUID {
	b := binary.AppendUvarint(make([]byte, 0, len(table)+len(key1)+2), uint64(len(table)))
	b = append(append(b, table...), key1...)
	sum := sha256.Sum256(b)
	return pgtype.UUID{Bytes: [16]byte(sum[:16]), Valid: true}
}

// headLength is how much of a key goes into an index, whose entries are bounded
// to about 2700 bytes.
const headLength = 2048

// split cuts a key into what an index takes and the rest. The two order keys as
// the whole does. The sum tells long keys with the same head from each other.
func split(key string) (head, tail, sum []byte) {
	if len(key) <= headLength {
		return []byte(key), []byte{}, []byte{}
	}
	digest := sha256.Sum256([]byte(key))
	return []byte(key[:headLength]), []byte(key[headLength:]), digest[:16]
}

// bounds of a range: the least key2, and the least one after it.
func bounds(r *storage.Range) (lower, upper string) {
	lower, upper = max(r.Prefix, r.From), after(r.Prefix)
	if r.To != "" && r.To < upper {
		upper = r.To
	}
	return lower, upper
}

// end is above all keys: none has this byte, because they are UTF-8.
const end = "\xff"

// after is above all keys with a prefix.
func after(prefix string) string {
	b := []byte(prefix)
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] != 0xff {
			b[i]++
			return string(b[:i+1])
		}
	}
	return end
}
