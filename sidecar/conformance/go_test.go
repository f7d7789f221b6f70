package conformance_test

import (
	"encoding/json"
	"path/filepath"
	"testing"
)

const goSupport = "github.com/cloudstateio/go-support@v0.3.0"

// The function with which the Go library was tested itself, built with the
// dependencies that it had.
func TestGo(t *testing.T) {
	library{
		name:       "go-support 0.3.0",
		needs:      []string{"go"},
		replicated: true,
		build: func(w *workshop) []string {
			var module struct{ Dir string }
			if err := json.Unmarshal([]byte(w.fetch(w.dir, "go", "mod", "download", "-json", goSupport)), &module); err != nil {
				w.Fatal(err)
			}
			function := filepath.Join(w.dir, "function")
			w.fetch(module.Dir, "go", "mod", "download")
			w.run(module.Dir, "go", "build", "-o", function, "./tck/cmd/tck_eventsourced")
			return []string{function}
		},
	}.conforms(t)
}
