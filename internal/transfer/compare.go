package transfer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"math/big"
	"reflect"

	"github.com/mallee-io/mallee/storage"
)

// Same reports whether two rows have the same key and value. Stores may spell
// JSON in different ways.
func Same(a, b storage.Row) bool {
	if a.Key != b.Key || a.Encoding != b.Encoding {
		return false
	}
	if bytes.Equal(a.Value, b.Value) {
		return true
	}
	if a.Encoding != storage.JSON {
		return false
	}
	x, errX := parse(a.Value)
	y, errY := parse(b.Value)
	return errX == nil && errY == nil && reflect.DeepEqual(x, y)
}

// parse makes equal values of equal JSON.
func parse(value []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(value))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return exact(v), nil
}

// exact spells every number as a fraction, unless it is too long for that.
func exact(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, ok := new(big.Rat).SetString(v.String()); ok && len(v) < 400 {
			return json.Number(n.RatString())
		}
	case []any:
		for i := range v {
			v[i] = exact(v[i])
		}
	case map[string]any:
		for name := range v {
			v[name] = exact(v[name])
		}
	}
	return v
}

// Verify reads both sides and reports the first row of from that to does not
// have. It returns how many rows it has compared, and how many more there are
// in to. Progress may be nil.
func Verify(from, to Rows, progress func(rows int64)) (same, more int64, err error) {
	next, stop := iter.Pull2(to)
	defer stop()
	for want, err := range from {
		if err != nil {
			return same, more, fmt.Errorf("verify: %w", err)
		}
		for {
			have, err, ok := next()
			if err != nil {
				return same, more, fmt.Errorf("verify: %w", err)
			}
			if !ok || have.Key.Compare(want.Key) > 0 {
				return same, more, fmt.Errorf("verify: %s is missing", want.Key)
			}
			if have.Key == want.Key {
				if !Same(have, want) {
					return same, more, fmt.Errorf("verify: %s has another value", want.Key)
				}
				break
			}
			more++
		}
		if same++; progress != nil {
			progress(same)
		}
	}
	for {
		_, err, ok := next()
		if err != nil {
			return same, more, fmt.Errorf("verify: %w", err)
		}
		if !ok {
			return same, more, nil
		}
		more++
	}
}
