package crdt

import (
	"encoding/json"
	"fmt"
	"iter"
	"slices"
)

// What handles put into values is bytes: a string is replicated as it is, all other
// types in JSON.

func encode[E any](e E) (string, error) {
	if s, ok := any(&e).(*string); ok {
		return *s, nil
	}
	b, err := json.Marshal(e)
	if err != nil {
		return "", fmt.Errorf("%w: encode %T: %w", ErrIllegal, e, err)
	}
	return string(b), nil
}

func encodeAll[E any](elements []E) ([]string, error) {
	encoded := make([]string, len(elements))
	for i, e := range elements {
		var err error
		if encoded[i], err = encode(e); err != nil {
			return nil, err
		}
	}
	return encoded, nil
}

// decode reads a value. Fields that its type does not have are left out, so that
// a type can grow.
func decode[E any](s string) (E, error) {
	var e E
	if p, ok := any(&e).(*string); ok {
		*p = s
		return e, nil
	}
	if err := json.Unmarshal([]byte(s), &e); err != nil {
		return *new(E), fmt.Errorf("%w: %.64q is no %T: %w", ErrMalformed, s, e, err)
	}
	if s == "null" { // which leaves most types zero
		return e, returns(e, s)
	}
	return e, nil
}

// decodeElement reads an element or a key. It is what its bytes are: what does not
// come out as the same bytes again could be found, but never removed.
func decodeElement[E any](s string) (E, error) {
	e, err := decode[E](s)
	if err == nil {
		err = returns(e, s)
	}
	if err != nil {
		return *new(E), err
	}
	return e, nil
}

func returns[E any](e E, s string) error {
	if again, err := encode(e); err != nil || again != s {
		return fmt.Errorf("%w: %.64q is no %T", ErrMalformed, s, e)
	}
	return nil
}

// all yields what a set or a map has when the loop begins, since the loop may
// change it.
func all[E any](r Replica, k Kind) iter.Seq2[E, error] {
	return func(yield func(E, error) bool) {
		encoded, err := read(r, k, func(v *Value, _ Electorate) []string { return slices.Sorted(v.Elements()) })
		if err != nil {
			yield(*new(E), err)
			return
		}
		for _, s := range encoded {
			if !yield(decodeElement[E](s)) {
				return
			}
		}
	}
}
