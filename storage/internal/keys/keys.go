// Package keys spells row keys as bytes whose order is that of the keys, for
// stores that know nothing but such bytes.
package keys

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/mallee-io/mallee/storage"
)

// Table and key1 are escaped so that none is the beginning of another one: a
// zero byte becomes 00 ff, and 00 01 ends it. key2 stands as it is.

// AppendPartition appends what all keys of a table and key1 begin with.
func AppendPartition(b []byte, table, key1 string) []byte {
	return appendEscaped(appendEscaped(b, table), key1)
}

// Append appends a row's key.
func Append(b []byte, k storage.Key) []byte {
	return append(AppendPartition(b, k.Table, k.Key1), k.Key2...)
}

// Len is how many bytes Append appends: each zero byte of table and key1 takes
// another one, and each of the two an end of two bytes.
func Len(k storage.Key) int {
	return len(k.Table) + len(k.Key1) + strings.Count(k.Table, "\x00") + strings.Count(k.Key1, "\x00") + 4 + len(k.Key2)
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

// Parse reads what Append has made.
func Parse(b []byte) (k storage.Key, err error) {
	if k.Table, b, err = unescape(b); err != nil {
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
		if i < 0 || i+1 == len(b) || b[i+1] != 0x01 && b[i+1] != 0xff {
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
