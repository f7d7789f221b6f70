package sidecartest_test

import (
	"context"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/crdtpb"
	"github.com/mallee-io/mallee/sidecar/sidecartest"
)

// Our own user function does what the checks of sidecars build on, with and
// without an interceptor before it, and in both dialects.
func TestModels(t *testing.T) {
	t.Parallel()
	t.Run("Function", func(t *testing.T) {
		t.Parallel()
		sidecartest.Models(t, sidecartest.Start(t, sidecartest.Config{}).Addr(), nil)
	})
	t.Run("Dialect01", func(t *testing.T) {
		t.Parallel()
		f := sidecartest.Start(t, sidecartest.Config{Spec: sidecartest.Dialect01})
		tally := sidecartest.Models(t, f.Addr(), stateless())
		t.Cleanup(func() {
			if n := len(tally.Passed); n != 122 {
				t.Errorf("%d checks passed: %d", n, tally.Passed)
			}
		})
	})
	t.Run("Reversed", func(t *testing.T) { // the order of elements does not count
		t.Parallel()
		sidecartest.Models(t, sidecartest.Start(t, sidecartest.Config{Misbehave: reversed}).Addr(), nil)
	})
	t.Run("Intercepted", func(t *testing.T) {
		t.Parallel()
		f := sidecartest.Start(t, sidecartest.Config{})
		sidecartest.Models(t, sidecartest.Intercept(t, f.Addr()).Addr(), nil)
	})
}

func reversed(_ context.Context, _ proto.Message, out []proto.Message) ([]proto.Message, error) {
	for _, m := range out {
		m, ok := m.(*crdtpb.CrdtStreamOut)
		if !ok {
			continue
		}
		change := m.GetReply().GetStateAction().GetUpdate()
		slices.Reverse(change.GetGset().GetAdded())
		slices.Reverse(change.GetOrset().GetAdded())
		slices.Reverse(change.GetOrmap().GetAdded())
		slices.Reverse(change.GetOrmap().GetUpdated())
	}
	return out, nil
}

// stateless skips the checks of actions, which protocol 0.1 does not have.
func stateless() map[int]string {
	except := map[int]string{}
	for number := 3; number <= 36; number++ {
		except[number] = "it has stateless functions"
	}
	return except
}
