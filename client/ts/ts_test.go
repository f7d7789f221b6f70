package ts_test

import (
	"bytes"
	"context"
	"encoding/json"
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
	dir := t.TempDir()
	compiler := install(t, dir)
	if out, err := run(t, ".", "node", compiler, "--outDir", dir); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, pattern := range []string{"*.js", "*.d.ts"} {
		built, _ := filepath.Glob(filepath.Join(dir, pattern))
		committed, _ := filepath.Glob(filepath.Join("dist", pattern))
		if len(built) != len(committed) || len(built) == 0 {
			t.Fatalf("%d files %s are committed, %d are built: run npm run build", len(committed), pattern, len(built))
		}
		for _, path := range built {
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := os.ReadFile(filepath.Join("dist", filepath.Base(path))); err != nil || !bytes.Equal(got, want) {
				t.Errorf("dist/%s is not up to date: run npm run build (%v)", filepath.Base(path), err)
			}
		}
	}
}

// install gives the path of the compiler that package.json names.
func install(t *testing.T, dir string) string {
	t.Helper()
	var pack struct {
		DevDependencies map[string]string `json:"devDependencies"`
	}
	if text, err := os.ReadFile("package.json"); err != nil || json.Unmarshal(text, &pack) != nil {
		t.Fatal("package.json cannot be read: ", err)
	}
	version := pack.DevDependencies["typescript"]
	out, err := run(t, dir, "npm", "install", "--no-save", "--no-audit", "--no-fund", "--prefix", dir, "typescript@"+version)
	if err != nil {
		t.Skipf("npm cannot install typescript %s: %v\n%s", version, err, out)
	}
	return filepath.Join(dir, "node_modules", "typescript", "bin", "tsc")
}

func TestFiles(t *testing.T) {
	t.Parallel()
	if _, err := fs.Stat(ts.Files(), "mallee.js"); err != nil {
		t.Error(err)
	}
}
