package pebble

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/cockroachdb/pebble/v2"

	"github.com/mallee-io/mallee/storage"
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
	return appendPartition(make([]byte, 0, len(table)+len(key1)+8), space, table, key1)
}

func appendPartition(b []byte, space byte, table, key1 string) []byte {
	b = append(b, space)
	b = appendEscaped(b, table)
	return appendEscaped(b, key1)
}

func appendEscaped(b []byte, s string) []byte {
	for i := strings.IndexByte(s, 0); i >= 0; i = strings.IndexByte(s, 0) {
		b = append(b, s[:i]...)
		b = append(b, 0x00, 0xff)
		s = s[i+1:]
	}
	b = append(b, s...)
	return append(b, 0x00, 0x01)
}

// parseKey reads what rowKey has made.
func parseKey(b []byte) (k storage.Key, err error) {
	if k.Table, b, err = unescape(b[1:]); err != nil {
		return storage.Key{}, err
	}
	if k.Key1, b, err = unescape(b); err != nil {
		return storage.Key{}, err
	}
	k.Key2 = string(b)
	return k, nil
}

func unescape(b []byte) (text string, rest []byte, err error) {
	var plain []byte
	for {
		i := bytes.IndexByte(b, 0)
		if i < 0 || i+1 == len(b) {
			return "", nil, fmt.Errorf("the key %q has no end: the store is damaged", b)
		}
		plain = append(plain, b[:i]...)
		if b[i+1] == 0x01 {
			return string(plain), b[i+2:], nil
		}
		plain = append(plain, 0)
		b = b[i+2:]
	}
}

func rowKey(k storage.Key) []byte { return appendRowKey(make([]byte, 0, rowKeyLen(k)), k) }

// rowKeyLen is the length of a row's key: each zero byte of table and key1
// takes another one, and each of the two an end of two bytes.
func rowKeyLen(k storage.Key) int {
	return 1 + len(k.Table) + len(k.Key1) + strings.Count(k.Table, "\x00") + strings.Count(k.Key1, "\x00") + 4 + len(k.Key2)
}

func appendRowKey(b []byte, k storage.Key) []byte {
	return append(appendPartition(b, rowSpace, k.Table, k.Key1), k.Key2...)
}

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

func decodeRow(key storage.Key, b []byte) (storage.Row, error) {
	if len(b) < rowHeader {
		return storage.Row{}, fmt.Errorf("%s has %d bytes, at least %d are needed: the store is damaged", key, len(b), rowHeader)
	}
	row := storage.Row{
		Key:     key,
		Version: binary.BigEndian.Uint64(b),
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
	value, closer, err := s.db.Get([]byte(opensKey))
	if errors.Is(err, pebble.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if len(value) != 8 {
		err = fmt.Errorf("the number of opens has %d bytes instead of 8: the store is damaged", len(value))
	} else {
		n = binary.BigEndian.Uint64(value)
	}
	return n, errors.Join(err, closer.Close())
}
