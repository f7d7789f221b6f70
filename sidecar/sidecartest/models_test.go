package sidecartest_test

import (
	"testing"

	"github.com/mallee-io/mallee/sidecar/sidecartest"
)

// Our own user function does what the checks of sidecars build on, with and
// without an interceptor before it.
func TestModels(t *testing.T) {
	t.Parallel()
	t.Run("Function", func(t *testing.T) {
		t.Parallel()
		sidecartest.Models(t, sidecartest.Start(t, sidecartest.Config{}).Addr(), nil)
	})
	t.Run("Intercepted", func(t *testing.T) {
		t.Parallel()
		f := sidecartest.Start(t, sidecartest.Config{})
		sidecartest.Models(t, sidecartest.Intercept(t, f.Addr()).Addr(), nil)
	})
}
