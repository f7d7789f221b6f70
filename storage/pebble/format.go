package pebble

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/mallee-io/mallee/storage"
	"github.com/mallee-io/mallee/storage/internal/keys"
)

// Keys of the database, by their first byte:
//
//	f                      → the format's number, as text
//	v                      → how often the store was opened; versions begin with it
//	h table key1           → head: newest epoch of the partition
//	r table key1 key2      → row: version, epoch with encoding, value
//
// Table and key1 are escaped so that none is the beginning of another one: a
// zero byte becomes 00 ff, and 00 01 ends it. key2 stands as it is, so rows
// are in its order.
const (
	formatKey = "f"
	opensKey  = "v"
	headSpace = 'h'
	rowSpace  = 'r'
	format    = "mallee 2"
	oldFormat = "mallee 1" // see upgrade
)

// rowHeader is the length of what stands before a row's value.
const rowHeader = 16

// bytesFlag is set in the epoch of a row whose value is not JSON.
const bytesFlag = 1 << 63

func partitionKey(space byte, table, key1 string) []byte {
	return keys.AppendPartition(append(make([]byte, 0, len(table)+len(key1)+8), space), table, key1)
}

func rowKey(k storage.Key) []byte { return appendRowKey(make([]byte, 0, 1+keys.Len(k)), k) }

func appendRowKey(b []byte, k storage.Key) []byte { return keys.Append(append(b, rowSpace), k) }

// bounds of a range: the least key, and the least one after it.
func bounds(partition []byte, r *storage.Range) (lower, upper []byte) {
	lower = append(append([]byte{}, partition...), max(r.Prefix, r.From)...)
	upper = after(append(append([]byte{}, partition...), r.Prefix...))
	if to := append(append([]byte{}, partition...), r.To...); r.To != "" && string(to) < string(upper) {
		upper = to
	}
	if string(upper) < string(lower) {
		upper = lower
	}
	return lower, upper
}

// after is the least key that does not begin with prefix. A partition ends
// with 01, so there is one.
func after(prefix []byte) []byte {
	for i := len(prefix) - 1; ; i-- {
		if prefix[i] != 0xff {
			prefix[i]++
			return prefix[:i+1]
		}
	}
}

// A head is what a partition remembers of its writers, the newest epoch. It
// stays when the last row is deleted. In the first format a version followed.
func appendHead(b []byte, epoch uint64) []byte { return binary.BigEndian.AppendUint64(b, epoch) }

func decodeHead(b []byte) (epoch uint64, err error) {
	if len(b) != 8 && len(b) != 16 {
		return 0, fmt.Errorf("the epoch of a partition has %d bytes instead of 8: the store is damaged", len(b))
	}
	return binary.BigEndian.Uint64(b), nil
}

func appendRow(b []byte, version, epoch uint64, op *storage.Op) []byte {
	if op.Encoding == storage.Bytes {
		epoch |= bytesFlag
	}
	b = binary.BigEndian.AppendUint64(b, version)
	b = binary.BigEndian.AppendUint64(b, epoch)
	return append(b, op.Value...)
}

// decodeVersion reads the version of a row and nothing else.
func decodeVersion(key storage.Key, b []byte) (uint64, error) {
	if len(b) < rowHeader {
		return 0, fmt.Errorf("%s has %d bytes, at least %d are needed: the store is damaged", key, len(b), rowHeader)
	}
	return binary.BigEndian.Uint64(b), nil
}

func decodeRow(key storage.Key, b []byte) (storage.Row, error) {
	version, err := decodeVersion(key, b)
	if err != nil {
		return storage.Row{}, err
	}
	row := storage.Row{
		Key:     key,
		Version: version,
		Epoch:   binary.BigEndian.Uint64(b[8:]),
		Value:   append([]byte{}, b[rowHeader:]...),
	}
	if row.Epoch&bytesFlag != 0 {
		row.Epoch &^= bytesFlag
		row.Encoding = storage.Bytes
	}
	return row, nil
}

// checkFormat marks a new store and one of the format before, and refuses
// any other.
func (s *store) checkFormat() error {
	value, closer, err := s.db.Get([]byte(formatKey))
	if errors.Is(err, pebble.ErrNotFound) {
		it, err := s.db.NewIter(nil)
		if err != nil {
			return err
		}
		foreign := it.First()
		if err := errors.Join(it.Error(), it.Close()); err != nil {
			return err
		}
		if foreign {
			return errors.New("it is a Pebble database of another program; choose another directory")
		}
		return s.db.Set([]byte(formatKey), []byte(format), pebble.Sync)
	}
	if err != nil {
		return err
	}
	found := string(value)
	if err := closer.Close(); err != nil {
		return err
	}
	if found == oldFormat {
		return s.upgrade()
	}
	if found != format {
		return fmt.Errorf("its format is %q, this version of mallee knows %q; use the version that wrote it or a newer one", found, format)
	}
	return nil
}

// upgrade marks a store of the first format. That one had no encodings: every
// value was JSON, as in a row of today whose flag is not set. Its versions
// counted from 1 in each partition, so they are all below those of today.
func (s *store) upgrade() error {
	return s.db.Set([]byte(formatKey), []byte(format), pebble.Sync)
}

// versionsPerOpen is how many versions there are between two opens.
const versionsPerOpen = 1 << 40

// beginVersions starts the versions of this open after those of all before.
func (s *store) beginVersions() error {
	opens, err := s.opens()
	if err != nil {
		return err
	}
	s.version.Store((opens + 1) * versionsPerOpen)
	return s.db.Set([]byte(opensKey), binary.BigEndian.AppendUint64(nil, opens+1), pebble.Sync)
}

func (s *store) opens() (n uint64, err error) {
	_, err = s.lookup([]byte(opensKey), func(value []byte) error {
		if len(value) != 8 {
			return fmt.Errorf("the number of opens has %d bytes instead of 8: the store is damaged", len(value))
		}
		n = binary.BigEndian.Uint64(value)
		return nil
	})
	return n, err
}
