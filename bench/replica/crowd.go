package replica

import (
	"context"
	"errors"
	"fmt"
)

// settleEvery is how many values are made until others have to have them.
const settleEvery = 10_000

// Range is a number of small values: the even ones are counters that have
// counted once, the others are sets with one element, which is their name.
type Range struct{ From, To int }

// Fill makes values, and returns when all processes have them.
func (c Client) Fill(ctx context.Context, r Range) error {
	return c.call(ctx, "Fill", r, new(struct{}))
}

// Missing is how many of the values the process does not have as they were made.
func (c Client) Missing(ctx context.Context, r Range) (missing int, err error) {
	return missing, c.call(ctx, "Missing", r, &missing)
}

var errNotLasting = errors.New("these values cannot be read")

func (s *service) Fill(r Range, _ *struct{}) error {
	v, ok := s.values.(Lasting)
	if !ok {
		return errNotLasting
	}
	for i := r.From; i < r.To; i++ {
		if err := fill(v, i); err != nil {
			return err
		}
		if (i+1)%settleEvery == 0 || i+1 == r.To {
			if err := v.Settle(context.Background()); err != nil {
				return err
			}
		}
	}
	return nil
}

func fill(v Values, i int) error {
	if i%2 == 0 {
		return v.Add(smallName(i))
	}
	return v.Put(smallName(i), smallName(i), true)
}

func (s *service) Missing(r Range, missing *int) error {
	v, ok := s.values.(Lasting)
	if !ok {
		return errNotLasting
	}
	for i := r.From; i < r.To; i++ {
		switch there, err := filled(v, i); {
		case err != nil:
			return err
		case !there:
			*missing++
		}
	}
	return nil
}

func filled(v Lasting, i int) (bool, error) {
	if i%2 == 0 {
		n, err := v.Count(smallName(i))
		return n == 1, err
	}
	return v.Has(smallName(i), smallName(i))
}

// smallName has 8 bytes.
func smallName(i int) string { return fmt.Sprintf("%08d", i) }
