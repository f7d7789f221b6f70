package etcd

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/mallee-io/mallee/storage"
	"github.com/mallee-io/mallee/storage/internal/keys"
)

// Keys of etcd, after the prefix:
//
//	format                       → the format's name
//	head/ table key1 epoch       → nothing
//	row/ table key1 key2         → format, encoding, epoch, value
//
// Table and key1 are escaped so that none is the beginning of another one: a
// zero byte becomes 00 ff, and 00 01 ends it. key2 stands as it is, so rows
// are in its order. A row's version is the revision that wrote it.
//
// A partition has one head, which names the newest epoch that has written, in
// eight bytes. It stays when the last row is deleted. The epoch is in its key
// because a transaction can ask whether there are keys after another one, and
// gets the right answer where there is no head yet; of values it cannot.
const (
	formatKey = "format"
	headSpace = "head/"
	rowSpace  = "row/"
	format    = "mallee 1"
)

const (
	rowFormat  = 1
	rowHeader  = 10 // bytes before the value
	epochBytes = 8
)

// layout makes the keys of a store.
type layout struct{ prefix string }

func (l layout) format() string { return l.prefix + formatKey }

// rows is what the keys of all rows begin with.
func (l layout) rows() string { return l.prefix + rowSpace }

// row is the key of a row; without key2 it is what the rows of a partition
// begin with.
func (l layout) row(k storage.Key) string {
	b := make([]byte, 0, len(l.prefix)+len(rowSpace)+len(k.Table)+len(k.Key1)+len(k.Key2)+8)
	b = append(append(b, l.prefix...), rowSpace...)
	return string(keys.Append(b, k))
}

// heads is what the key of a partition's head begins with.
func (l layout) heads(k storage.Key) string {
	b := []byte(l.prefix + headSpace)
	return string(keys.AppendPartition(b, k.Table, k.Key1))
}

func head(heads string, epoch uint64) string {
	return string(binary.BigEndian.AppendUint64([]byte(heads), epoch))
}

// parseHead reads the epoch of what head has made.
func parseHead(heads string, key []byte) (epoch uint64, err error) {
	text, found := strings.CutPrefix(string(key), heads)
	if !found || len(text) != epochBytes {
		return 0, fmt.Errorf("the head %q names no epoch: the store is damaged", key)
	}
	return binary.BigEndian.Uint64([]byte(text)), nil
}

// parseRow reads the key that row has made.
func (l layout) parseRow(key string) (k storage.Key, err error) {
	rest, found := strings.CutPrefix(key, l.rows())
	if !found {
		return storage.Key{}, fmt.Errorf("the key %q is of no row: the store is damaged", key)
	}
	return keys.Parse([]byte(rest))
}

func encodeRow(epoch uint64, op *storage.Op) string {
	var b strings.Builder
	b.Grow(rowHeader + len(op.Value))
	b.Write(binary.BigEndian.AppendUint64([]byte{rowFormat, byte(op.Encoding)}, epoch))
	b.Write(op.Value)
	return b.String()
}

// decodeRow reads what encodeRow has made. The row keeps the bytes of kv.
func decodeRow(k storage.Key, kv *mvccpb.KeyValue) (storage.Row, error) {
	b := kv.Value
	if len(b) < rowHeader {
		return storage.Row{}, fmt.Errorf("%s has %d bytes, at least %d are needed: the store is damaged", k, len(b), rowHeader)
	}
	if b[0] != rowFormat {
		return storage.Row{}, fmt.Errorf("%s is of format %d, this version of mallee knows %d: use the version that wrote it or a newer one", k, b[0], rowFormat)
	}
	row := storage.Row{
		Key:      k,
		Encoding: storage.Encoding(b[1]),
		Epoch:    binary.BigEndian.Uint64(b[2:]),
		Value:    b[rowHeader:],
		Version:  uint64(kv.ModRevision),
	}
	if row.Encoding > storage.Bytes || row.Epoch > math.MaxInt64 {
		return storage.Row{}, fmt.Errorf("%s has encoding %d and epoch %d, which do not exist: the store is damaged", k, row.Encoding, row.Epoch)
	}
	return row, nil
}
