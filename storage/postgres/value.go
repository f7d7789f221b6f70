package postgres

import (
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/mallee-io/mallee/storage"
)

// Bounds of what goes into a jsonb. They are far below those of the server,
// whose text of a number has as many digits as its exponent says.
const (
	maxDocument  = 8 << 20
	maxDepth     = 500
	maxNumber    = 1000
	maxExponents = 1 << 20 // all together
)

// fitsDocument reports whether a jsonb can hold a JSON value.
func fitsDocument(json []byte) bool {
	if len(json) > maxDocument || !utf8.Valid(json) {
		return false
	}
	depth, exponents := 0, 0
	for i := 0; i < len(json); {
		switch c := json[i]; {
		case c == '"':
			n, ok := fitsString(json[i:])
			if !ok {
				return false
			}
			i += n
			continue
		case c == '-' || '0' <= c && c <= '9':
			n, exponent := number(json[i:])
			if exponents += exponent; n > maxNumber || exponent > maxNumber || exponents > maxExponents {
				return false
			}
			i += n
			continue
		case c == '[' || c == '{':
			if depth++; depth > maxDepth {
				return false
			}
		case c == ']' || c == '}':
			depth--
		}
		i++
	}
	return true
}

// fitsString reads a string in quotes. It must have no zero character and no
// half of a surrogate pair.
func fitsString(json []byte) (length int, ok bool) {
	for i := 1; i < len(json); i++ {
		switch json[i] {
		case '"':
			return i + 1, true
		case '\\':
			unit := escaped(json[i:])
			switch {
			case unit == 0 || 0xdc00 <= unit && unit < 0xe000:
				return 0, false
			case 0xd800 <= unit && unit < 0xdc00:
				if low := escaped(json[i+6:]); low < 0xdc00 || low >= 0xe000 {
					return 0, false
				}
				i += 11
			case unit > 0:
				i += 5
			default:
				i++
			}
		}
	}
	return 0, false
}

// escaped is the number in \uXXXX at the beginning, -1 if that is not there.
func escaped(json []byte) int {
	if len(json) < 6 || json[0] != '\\' || json[1] != 'u' {
		return -1
	}
	unit, err := strconv.ParseUint(string(json[2:6]), 16, 16)
	if err != nil {
		return -1
	}
	return int(unit)
}

// number reads a number: how long it is, and its exponent without sign.
func number(json []byte) (length, exponent int) {
	inExponent := false
	for i, c := range json {
		switch {
		case c == 'e' || c == 'E':
			inExponent = true
		case '0' <= c && c <= '9':
			if inExponent {
				exponent = min(exponent*10+int(c-'0'), maxNumber+1)
			}
		case c != '+' && c != '-' && c != '.':
			return i, exponent
		}
	}
	return len(json), exponent
}

// cells of a row in the database.
type cells struct {
	version, epoch int64
	encoding       int16
	document, data []byte // nil: NULL
}

func (c *cells) row(key storage.Key) (storage.Row, error) {
	row := storage.Row{Key: key, Encoding: storage.Encoding(c.encoding), Version: uint64(c.version), Epoch: uint64(c.epoch)}
	switch {
	case c.version <= 0 || c.epoch < 0:
		return storage.Row{}, damaged("%s has version %d and epoch %d", key, c.version, c.epoch)
	case c.encoding != int16(storage.JSON) && c.encoding != int16(storage.Bytes):
		return storage.Row{}, damaged("%s has encoding %d", key, c.encoding)
	case c.document != nil && c.data == nil && row.Encoding == storage.JSON:
		row.Value = c.document
	case c.data != nil && c.document == nil:
		row.Value = c.data
	default:
		return storage.Row{}, damaged("%s has no value of its encoding", key)
	}
	return row, nil
}

func damaged(format string, args ...any) error {
	return fmt.Errorf(format+": the database is damaged; restore it from a backup", args...)
}

// columns are where to scan them, in the order in which they are selected.
func (c *cells) columns() []any {
	return []any{&c.version, &c.epoch, &c.encoding, &c.document, &c.data}
}
