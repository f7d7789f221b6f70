package login

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// checksumName is the member that carries the checksum, which leaves it out.
const checksumName = "check_sum"

// KoalaChecksum is the check_sum that belongs into a first packet of Koala: the
// SHA-256, in lower-case hex, of its members' names and values, sorted by name,
// and the key, with nothing in between. Clients can use it. Values other than
// strings, integers and booleans are written as Python does; lists and objects
// are an error.
func KoalaChecksum(packet []byte, key string) (string, error) {
	p, err := parsePacket(packet)
	if err != nil {
		return "", err
	}
	return p.checksum(python, key)
}

// dialect is how a language writes what they do not agree on. They agree on
// strings, integers, booleans, most fractions, and on the order of names of
// lower-case letters and underscores.
type dialect uint8

const (
	python dialect = iota
	csharp
)

func (p packet) checksum(d dialect, key string) (string, error) {
	h := sha256.New()
	for _, name := range slices.SortedFunc(maps.Keys(p), d.compare) {
		if name == checksumName {
			continue
		}
		if strings.ContainsRune(name, utf8.RuneError) {
			return "", errors.New("a name holds U+FFFD or half of a surrogate pair")
		}
		text, err := d.text(p[name])
		if err != nil {
			return "", fmt.Errorf("%.64q: %w", name, err)
		}
		h.Write([]byte(name))
		h.Write([]byte(text))
	}
	h.Write([]byte(key))
	return hex.EncodeToString(h.Sum(nil)), nil
}

func (d dialect) text(value json.RawMessage) (string, error) {
	switch value[0] {
	case '"':
		return unquote(value)
	case 't':
		return "True", nil
	case 'f':
		return "False", nil
	case 'n':
		if d == csharp {
			return "", nil
		}
		return "None", nil
	case '[', '{':
		return "", errors.New("a list or an object has no text that all agree on")
	}
	if isInteger(value) {
		return integer(value), nil
	}
	f, err := strconv.ParseFloat(string(value), 64)
	if err != nil {
		return "", errors.New("the number is out of range")
	}
	return d.float(f), nil
}

// float has the fewest digits that mean f, and an exponent where the language
// begins to use one.
func (d dialect) float(f float64) string {
	exponential := strconv.FormatFloat(f, 'e', -1, 64)
	_, digits, _ := strings.Cut(exponential, "e")
	exponent, _ := strconv.Atoi(digits) // what FormatFloat has written is a number
	plain := strconv.FormatFloat(f, 'f', -1, 64)
	switch {
	case d == csharp && (exponent < -4 || exponent >= 15):
		return strings.ToUpper(exponential)
	case d == csharp:
		return plain
	case exponent < -4 || exponent >= 16:
		return exponential
	case !strings.Contains(plain, "."):
		return plain + ".0"
	}
	return plain
}

// compare orders names: Python by code points, C# underscores first, then
// digits, then letters of either case, and lower case before upper case of
// names that are the same otherwise.
func (d dialect) compare(a, b string) int {
	if d == python {
		return strings.Compare(a, b)
	}
	return cmp.Or(strings.Compare(strings.Map(weight, a), strings.Map(weight, b)), strings.Compare(b, a))
}

func weight(r rune) rune {
	if r == '_' {
		return 0
	}
	return unicode.ToLower(r)
}
