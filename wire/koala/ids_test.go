package koala_test

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/mallee-io/mallee/wire/koala"
)

func TestSessionID(t *testing.T) {
	t.Parallel()
	for _, v := range []struct{ server, n, want int64 }{
		{2, 7, 20000000007},
		{6, 3, 60000000003},
		{1, 9_999_999_999, 19_999_999_999},
		{922337202, 9_999_999_999, 9223372029999999999},
	} {
		id, err := koala.SessionID(v.server, v.n)
		if err != nil || id != v.want || koala.SessionServer(id) != v.server {
			t.Errorf("%+v: %d of %d, %v", v, id, koala.SessionServer(id), err)
		}
	}
	for _, v := range [][2]int64{{0, 1}, {-1, 1}, {922337203, 1}, {math.MaxInt64, 1}, {1, 0}, {1, -1}, {1, 10_000_000_000}} {
		if id, err := koala.SessionID(v[0], v[1]); err == nil {
			t.Errorf("%v: %d", v, id)
		}
	}
	for _, id := range []int64{0, 7, -1, math.MinInt64, 9_999_999_999} {
		if server := koala.SessionServer(id); server != 0 {
			t.Errorf("%d is of %d", id, server)
		}
	}
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	if id := koala.RequestID(1_626_245_659, 1); id != 1_000_000_001 {
		t.Error(id)
	}
	if id := koala.RequestID(1_750_000_000, 5); id != 123_754_342_000_000_005 {
		t.Error(id)
	}
}

func TestReentrantID(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Uint64().Draw(t, "a"), rapid.Uint64().Draw(t, "b")
		if id := koala.ReentrantID(a); id < 1<<62 {
			t.Errorf("%d", id)
		}
		if (a>>2 == b>>2) != (koala.ReentrantID(a) == koala.ReentrantID(b)) {
			t.Errorf("%d and %d", a, b)
		}
	})
}
