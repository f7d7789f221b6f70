package gossip

import (
	"encoding/binary"
	"fmt"

	"github.com/mallee-io/mallee/crdt"
)

// cursor is how far the values have been read, in the order of slots.
type cursor struct {
	bucket int
	name   string // the last one of the bucket that has been read,
	from   string // unless it goes on from here: see crdt.Value.AppendPart
}

// passed reports whether a value of the bucket has been read.
func (c *cursor) passed(name string) bool {
	return name < c.name || name == c.name && c.from == ""
}

func (c *cursor) String() string {
	b := binary.BigEndian.AppendUint16(nil, uint16(c.bucket))
	b = binary.BigEndian.AppendUint16(b, uint16(len(c.name)))
	return string(b) + c.name + c.from
}

func parseCursor(s string) (c cursor, err error) {
	if s == "" {
		return cursor{}, nil
	}
	if len(s) < 4 {
		return cursor{}, fmt.Errorf("a cursor of %d bytes: %w", len(s), crdt.ErrMalformed)
	}
	c.bucket = int(binary.BigEndian.Uint16([]byte(s)))
	n := int(binary.BigEndian.Uint16([]byte(s[2:])))
	if s = s[4:]; c.bucket >= buckets || n > len(s) || n == 0 && s != "" {
		return cursor{}, fmt.Errorf("a cursor at %d of %d, in a name of %d bytes: %w", c.bucket, buckets, n, crdt.ErrMalformed)
	}
	c.name, c.from = s[:n], s[n:]
	return c, nil
}
