package koala_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/mallee-io/mallee/wire/koala"
)

// Objects that cost more than they have bytes, at a length where constants do
// not matter. Not parallel: what others allocate would count.
func TestMemoryIsBounded(t *testing.T) {
	var keys strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&keys, `"%x":0,`, i)
	}
	for _, object := range []string{
		`{` + keys.String() + `"":0}`,
		`{"x":[` + strings.Repeat("[],", 300_000) + `0]}`,
		`{"session_ids":[` + strings.Repeat("0,", 500_000) + `0]}`,
		`{"x":` + strings.Repeat("[", 1_000_000),
		`{"x":"` + strings.Repeat(`\u0000`, 150_000) + `"}`,
	} {
		in := meta("RequestSendMessageToSession", object)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		m, err := koala.Parse(in)
		runtime.ReadMemStats(&after)
		if each := (after.TotalAlloc - before.TotalAlloc) / uint64(len(in)); each > allocPerByte {
			t.Errorf("%.30q: %d bytes for each of %d: %T, %v", object, each, len(in), m, err)
		}
	}
}
