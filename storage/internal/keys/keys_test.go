package keys_test

import (
	"bytes"
	"testing"

	"github.com/mallee-io/mallee/storage"
	"github.com/mallee-io/mallee/storage/internal/keys"
)

// Keys come back, their bytes are in their order, and what cannot be read is
// an error.
func FuzzKeys(f *testing.F) {
	f.Add("t", "a", "b", "t\x00", "a", "")
	f.Add("state.Player", "\x00\x01", "\x00", "state.Player", "\x00", "\x01\x00")
	f.Fuzz(func(t *testing.T, table, key1, key2, otherTable, other1, other2 string) {
		k, o := storage.Key{Table: table, Key1: key1, Key2: key2}, storage.Key{Table: otherTable, Key1: other1, Key2: other2}
		a, b := keys.Append(nil, k), keys.Append(nil, o)
		if back, err := keys.Parse(a); err != nil || back != k || len(a) != keys.Len(k) {
			t.Errorf("%v became %v, %v; %d bytes, want %d", k, back, err, len(a), keys.Len(k))
		}
		if bytes.Compare(a, b) != k.Compare(o) {
			t.Errorf("%v and %v are in another order as bytes", k, o)
		}
		if back, err := keys.Parse([]byte(key2)); err == nil && string(keys.Append(nil, back)) != key2 {
			t.Errorf("%q was read as %v", key2, back)
		}
	})
}
