package mongodb

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"

	"github.com/mallee-io/mallee/storage"
)

// The _id of a document is a pair of texts: (key1, key2) of a row, (table,
// key1) of a head. It sorts as the pair does, byte by byte, so that the one
// index that each collection has anyway serves reading and listing. U+0001
// ends the first text, in which the code points up to U+0002 are escaped; the
// second one stands as it is. It stays UTF-8, as BSON demands.
const end = "\x01"

var escapes = strings.NewReplacer("\x00", "\x02\x01", "\x01", "\x02\x02", "\x02", "\x02\x03")

func pairID(first, second string) string { return escapes.Replace(first) + end + second }

// afterPairs is the least _id after those of the pairs that begin with first.
func afterPairs(first string) string { return escapes.Replace(first) + "\x02" }

// bounds of a range: the least _id, and the one that it ends before.
func bounds(r *storage.Range) (lower, upper string) {
	lower = pairID(r.Key1, max(r.Prefix, r.From))
	upper = after(pairID(r.Key1, r.Prefix))
	if r.To != "" {
		upper = min(upper, pairID(r.Key1, r.To))
	}
	return lower, upper
}

// after is the least text that does not begin with prefix and is greater. It
// counts in code points, which sort as their bytes do. The end mark in an _id
// can always grow, so there is one.
func after(prefix string) string {
	for {
		last, size := utf8.DecodeLastRuneInString(prefix)
		prefix = prefix[:len(prefix)-size]
		switch last {
		case utf8.MaxRune:
		case 0xd7ff: // surrogates are no code points of UTF-8
			return prefix + "\ue000"
		default:
			return prefix + string(last+1)
		}
	}
}

// collectionName is the table's name where that can be the name of a
// collection, in MongoDB and in FerretDB, and is none of ours; otherwise % and
// the name in base64, which is short enough: 255 bytes less a database's 64.
func collectionName(table string) string {
	if legalCollection(table) {
		return table
	}
	return "%" + base64.RawURLEncoding.EncodeToString([]byte(table))
}

func legalCollection(name string) bool {
	for _, prefix := range []string{"%", ".", "system.", "mallee.", "_ferretdb_"} {
		if strings.HasPrefix(name, prefix) {
			return false
		}
	}
	return name != "" && !strings.ContainsAny(name, "$\x00") && !strings.Contains(name, "..") && !strings.HasSuffix(name, ".")
}
