package pickle

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"unicode/utf8"
)

// A container is a list, tuple or dict on the reader's stack. It becomes a
// value for good, sealed, when it is put into another one. A sealed container
// does not change any more; so none can come to contain itself, and its cost
// and depth are known without walking it.
type container interface {
	head() *header
	value() any
}

type header struct {
	cost   int32 // bytes that it takes at most when it is written
	depth  uint16
	sealed bool
	fixed  bool // neither it nor anything in it can change in Python: it can be a key
}

type list struct {
	header
	items []any
}

type tuple struct {
	header
	items Tuple
}

type dict struct {
	header
	items Dict
}

func (h *header) head() *header { return h }

// No room behind the end: who appends to a shared value must not write into it.
func (l *list) value() any  { return slices.Clip(l.items) }
func (t *tuple) value() any { return t.items }
func (d *dict) value() any  { return slices.Clip(d.items) }

// What a value takes at most when it is written, with opcodes, frames and memo.
const (
	costContainer = 16
	costText      = 32
	costScalar    = 16
)

func cost(v any) int {
	switch v := v.(type) {
	case container:
		return int(v.head().cost)
	case string:
		return costText + len(v)
	case []byte:
		return costText + len(v)
	case *big.Int:
		return costText + len(v.Bits())*8
	}
	return costScalar
}

var (
	errSealed = errors.New("a value that is part of another one is changed: values that contain themselves are not taken")
	errKey    = errors.New("a list or dict cannot be a key")
	errDepth  = fmt.Errorf("values are nested more than %d deep, or contain themselves", MaxDepth)
	errCost   = fmt.Errorf("the pickle would have more than %d bytes with all that it repeats", MaxWritten)
	errText   = errors.New("a str is not valid UTF-8")
)

// hold accounts for v, seals it, and returns it as it is kept.
func (h *header) hold(v any) (any, error) {
	child, ok := v.(container)
	if ok {
		c := child.head()
		c.sealed = true
		h.depth = max(h.depth, c.depth+1)
		h.fixed = h.fixed && c.fixed
		v = child.value()
	}
	if h.sealed {
		return nil, errSealed
	}
	if h.depth > MaxDepth {
		return nil, errDepth
	}
	n := cost(v)
	if ok {
		n = cost(child)
	}
	if n += int(h.cost); n > MaxWritten {
		return nil, errCost
	}
	h.cost = int32(n)
	return v, nil
}

func (l *list) add(values []any) error {
	l.items = slices.Grow(l.items, len(values))
	for _, v := range values {
		v, err := l.hold(v)
		if err != nil {
			return err
		}
		l.items = append(l.items, v)
	}
	return nil
}

// add takes keys and values in turn.
func (d *dict) add(values []any) error {
	if len(values)%2 != 0 {
		return errors.New("a dict gets a key without a value")
	}
	d.items = slices.Grow(d.items, len(values)/2)
	for i := 0; i < len(values); i += 2 {
		if c, ok := values[i].(container); ok && !c.head().fixed {
			return errKey
		}
		key, err := d.hold(values[i])
		if err != nil {
			return err
		}
		value, err := d.hold(values[i+1])
		if err != nil {
			return err
		}
		d.items = append(d.items, Pair{key, value})
	}
	return nil
}

func newTuple(values []any) (*tuple, error) {
	t := &tuple{header: header{cost: costContainer, depth: 1, fixed: true}, items: make(Tuple, len(values))}
	for i, v := range values {
		var err error
		if t.items[i], err = t.hold(v); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// isText reports whether s is UTF-8, where surrogates are allowed.
func isText[T string | []byte](s T) bool {
	for i := 0; i < len(s); {
		if s[i] < utf8.RuneSelf {
			i++
			continue
		}
		part := string(s[i:min(i+utf8.UTFMax, len(s))])
		r, n := utf8.DecodeRuneInString(part)
		if r == utf8.RuneError && n == 1 {
			if len(part) < 3 || part[0] != 0xed || part[1] < 0xa0 || part[1] > 0xbf || part[2] < 0x80 || part[2] > 0xbf {
				return false
			}
			n = 3
		}
		i += n
	}
	return true
}
