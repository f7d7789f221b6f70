package pd_test

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

// TestMain lets many tests run at the same time: what they do is wait, for
// elections and for leases to end.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	os.Exit(m.Run())
}
