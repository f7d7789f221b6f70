package main

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestDriveCountsWhatSucceedsAndWhatFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	got, err := drive(t.Context(), 4, time.Minute, func(int) func() error {
		k := 0
		return func() error {
			k++
			switch {
			case k > 10:
				return errEnough
			case k%5 == 0:
				return broken
			}
			return nil
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if got.done != 4*8 || got.failed != 4*2 || got.first != broken {
		t.Errorf("counted %d done, %d failed with %v", got.done, got.failed, got.first)
	}
	if got.elapsed <= 0 || got.elapsed >= time.Minute {
		t.Errorf("took %s", got.elapsed)
	}
}

func TestDriveEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	_, err := drive(ctx, 2, time.Minute, func(int) func() error {
		return func() error { cancel(); return nil }
	})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestDriveReportsThatNothingSucceeds(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	_, err := drive(t.Context(), 2, time.Minute, func(int) func() error {
		left := 3
		return func() error {
			if left--; left < 0 {
				return errEnough
			}
			return broken
		}
	})
	if err != broken {
		t.Error(err)
	}
}
