package mallee

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxKeyLength is the longest key of an actor, in bytes.
const MaxKeyLength = 1024

// ID addresses an actor: every stateful thing is a virtual actor of a type
// under a key. It is a plain value: compare it, use it as a map key, send it
// as an argument.
type ID struct {
	Type string `json:"type"` // name of the actor type, such as "Player"
	Key  string `json:"key"`  // any non-empty UTF-8 text of at most MaxKeyLength bytes
}

// IntKey spells an integer key. Two spellings of one number are one key.
func IntKey(n int64) string { return strconv.FormatInt(n, 10) }

// ParseID reads what ID.String wrote: the type, a slash, the key. The key may
// hold slashes of its own.
func ParseID(text string) (ID, error) {
	typ, key, ok := strings.Cut(text, "/")
	id := ID{Type: typ, Key: key}
	if !ok {
		return ID{}, ErrInvalid.Errorf("actor id %q has no slash between type and key", text)
	}
	return id, id.Validate()
}

// String is the ID as people and logs write it, such as "Player/1001".
func (id ID) String() string { return id.Type + "/" + id.Key }

// Validate reports, as an ErrInvalid, why no actor can have this ID.
func (id ID) Validate() error {
	switch {
	case id.Type == "":
		return ErrInvalid.Errorf("actor %q has no type", id.String())
	case strings.Contains(id.Type, "/"):
		return ErrInvalid.Errorf("actor type %q has a slash in its name", id.Type)
	case id.Key == "":
		return ErrInvalid.Errorf("actor of type %s has an empty key", id.Type)
	case len(id.Key) > MaxKeyLength:
		return ErrInvalid.Errorf("key of actor type %s has %d bytes, at most %d are allowed", id.Type, len(id.Key), MaxKeyLength)
	case !utf8.ValidString(id.Key):
		return ErrInvalid.Errorf("key %q of actor type %s is not valid UTF-8", id.Key, id.Type)
	}
	return nil
}

// MarshalText writes the ID as String does, and the zero ID as nothing.
func (id ID) MarshalText() ([]byte, error) {
	if id == (ID{}) {
		return nil, nil
	}
	return []byte(id.String()), id.Validate()
}

// UnmarshalText reads what MarshalText wrote.
func (id *ID) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*id = ID{}
		return nil
	}
	parsed, err := ParseID(string(text))
	if err != nil {
		return fmt.Errorf("decode actor id: %w", err)
	}
	*id = parsed
	return nil
}
