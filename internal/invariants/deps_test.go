package invariants_test

import (
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/deps.txt anew")

const (
	module   = "github.com/mallee-io/mallee"
	graph    = "../../docs/deps.txt"
	preamble = `# What each package imports, of this module and of others, tests left out.
# A new line is a decision: see CONTRIBUTING.md. Write this file anew with
# go test ./internal/invariants -run TestImportGraph -update
`
)

// imports lists, for each package of the module, what it imports outside of
// the standard library. Paths of this module are relative to it; the root is
// "mallee".
func imports(t *testing.T) map[string][]string {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=Dir,ImportPath,Imports", "./...")
	cmd.Dir = "../.."
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	found := make(map[string][]string)
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			Dir, ImportPath string
			Imports         []string
		}
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return found
		} else if err != nil {
			t.Fatal(err)
		}
		// What go list reads is unknown to the cache of test results. Reading
		// the folder here makes every change to a file in it count.
		if _, err := os.ReadDir(p.Dir); err != nil {
			t.Fatal(err)
		}
		var list []string
		for _, path := range p.Imports {
			if first, _, _ := strings.Cut(path, "/"); strings.Contains(first, ".") {
				list = append(list, short(path))
			}
		}
		slices.Sort(list)
		found[short(p.ImportPath)] = list
	}
}

func short(path string) string {
	if path == module {
		return "mallee"
	}
	return strings.TrimPrefix(path, module+"/")
}

func TestImportGraph(t *testing.T) {
	t.Parallel()
	var lines []string
	for p, list := range imports(t) {
		for _, imported := range list {
			lines = append(lines, p+" -> "+imported)
		}
	}
	slices.Sort(lines)
	now := preamble + strings.Join(lines, "\n") + "\n"
	if *update {
		if err := os.WriteFile(graph, []byte(now), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	committed, err := os.ReadFile(graph)
	if err != nil {
		t.Fatal(err)
	}
	was := strings.Split(strings.TrimPrefix(string(committed), preamble), "\n")
	for _, line := range lines {
		if !slices.Contains(was, line) {
			t.Errorf("new:  %s", line)
		}
	}
	for _, line := range was {
		if line != "" && !slices.Contains(lines, line) {
			t.Errorf("gone: %s", line)
		}
	}
	if t.Failed() {
		t.Log("if this is meant, run: go test ./internal/invariants -run TestImportGraph -update")
	}
}

// TestImportsPointOneWay checks the rules that the graph follows.
func TestImportsPointOneWay(t *testing.T) {
	t.Parallel()
	edges := []string{"gateway", "sidecar", "httpapi", "dashboard"}
	rules := []struct {
		of      string   // package, with all below it
		only    []string // what it may import; nil: anything but not
		not     []string
		because string
	}{
		{of: "mallee", only: []string{"crdt", "storage"}, because: "the vocabulary links nothing that its users did not name"},
		{of: "crdt", only: []string{}, because: "replicated types are pure"},
		{of: "wire", not: []string{"mallee", "internal", "node"}, because: "encoding knows nothing of actors"},
		{of: "storage", not: []string{"mallee", "node", "internal"}, because: "stores know nothing of actors"},
		{of: "placement", not: []string{"node", "internal/activation"}, because: "placement decides, nodes obey"},
		{of: "internal/activation", not: []string{"node", "internal/transport", "placement"}, because: "turns know nothing of the cluster"},
		{of: "node", not: append([]string{"internal/cli"}, edges...), because: "edges stand on nodes"},
		{of: "httpapi", not: append([]string{"node"}, without(edges, "httpapi")...), because: "edges never import each other, and need only a Caller"},
		{of: "gateway", not: without(edges, "gateway"), because: "edges never import each other"},
		{of: "sidecar", not: without(edges, "sidecar"), because: "edges never import each other"},
		{of: "dashboard", not: without(edges, "dashboard"), because: "edges never import each other"},
	}
	backends := []string{"storage/pebble", "storage/etcd", "storage/postgres", "storage/mongodb"}
	for p, list := range imports(t) {
		for _, imported := range list {
			for _, rule := range rules {
				if !below(p, rule.of) {
					continue
				}
				if rule.only != nil && !slices.Contains(rule.only, imported) {
					t.Errorf("%s imports %s, and may import only %v: %s", p, imported, rule.only, rule.because)
				}
				if slices.ContainsFunc(rule.not, func(not string) bool { return below(imported, not) }) {
					t.Errorf("%s imports %s: %s", p, imported, rule.because)
				}
			}
			if slices.Contains(backends, imported) && !below(p, "internal/cli") && !below(p, "examples") && !below(p, "cmd") && !below(p, imported) {
				t.Errorf("%s imports %s: a program links only the stores that it names", p, imported)
			}
		}
	}
}

func without(list []string, one string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == one })
}

// below reports whether p is the package or stands in its folder. The root
// package has no folder here.
func below(p, folder string) bool { return p == folder || strings.HasPrefix(p, folder+"/") }
