package mallee

import (
	"context"
	"errors"

	"github.com/mallee-io/mallee/storage"
)

// write is how everything durable of an actor is written: it returns when the
// rows are as durable as the store makes them. After an error the activation
// ends, since what it has in memory is not what is stored.
func (s *Self) write(ctx context.Context, kind, name string, ops ...storage.Op) (versions []uint64, err error) {
	if versions, err = s.activation.Write(ctx, ops...); err == nil {
		return versions, nil
	}
	sentinel := ErrStorage
	switch {
	case errors.Is(err, storage.ErrConflict):
		sentinel = ErrConflict
	case errors.Is(err, storage.ErrFenced):
		sentinel = ErrFenced
	case errors.Is(err, storage.ErrInvalid), errors.Is(err, storage.ErrTooLarge):
		sentinel = ErrInvalid
	case errors.Is(err, context.DeadlineExceeded):
		sentinel = ErrTimeout
	case errors.Is(err, context.Canceled):
		sentinel = ErrCanceled
	}
	return nil, sentinel.Errorf("write %s %s of %s: %v", kind, name, s.ID(), err)
}
