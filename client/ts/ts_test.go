package ts_test

import (
	"bytes"
	"context"
	"io/fs"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/mallee-io/mallee/client/internal/clienttest"
	"github.com/mallee-io/mallee/client/ts"
)

// patience is how long another program may take, on a busy machine.
const patience = 2 * time.Minute

func run(t *testing.T, dir, name string, args ...string) ([]byte, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	return cmd.CombinedOutput()
}

func TestNode(t *testing.T) {
	t.Parallel()
	if out, err := run(t, ".", "node", "--version"); err != nil || bytes.HasPrefix(out, []byte("v1")) {
		t.Skipf("needs Node 20 or newer: %s%v", out, err)
	}
	if out, err := run(t, ".", "node", "--test"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// The client in Node talks to real gateways.
func TestNodeWithGateways(t *testing.T) {
	t.Parallel()
	if out, err := run(t, ".", "node", "--experimental-websocket", "-e", "new WebSocket('ws://127.0.0.1:9')"); err != nil {
		t.Skipf("needs a Node with WebSocket: %s%v", out, err)
	}
	world := clienttest.Start(t, 2)
	control := httptest.NewServer(world.Handler())
	t.Cleanup(control.Close)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", "--experimental-websocket", "--test", "test/gateway.test.js")
	cmd.Env = append(os.Environ(), "MALLEE_GATEWAYS="+world.Gates[0].URL()+" "+world.Gates[1].URL(), "MALLEE_CONTROL="+control.URL)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// What is committed in dist is what the compiler makes of src.
func TestBuilt(t *testing.T) {
	t.Parallel()
	compiler := filepath.Join("node_modules", "typescript", "bin", "tsc")
	if _, err := os.Stat(compiler); err != nil {
		t.Skip("needs the compiler: npm install in client/ts")
	}
	dir := t.TempDir()
	if out, err := run(t, ".", "node", compiler, "--outDir", dir); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	built, committed := files(t, dir), files(t, "dist")
	if len(built) != len(committed) {
		t.Errorf("%d files are built, %d are committed in dist: run npm run build", len(built), len(committed))
	}
	for name, want := range built {
		if committed[name] != want {
			t.Errorf("dist/%s is not up to date: run npm run build", name)
		}
	}
}

// files are the contents of a folder, by name.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]string)
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all[e.Name()] = string(text)
	}
	return all
}

func TestFiles(t *testing.T) {
	t.Parallel()
	if _, err := fs.Stat(ts.Files(), "mallee.js"); err != nil {
		t.Error(err)
	}
}
