package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/mallee-io/mallee/examples/game"
	"github.com/mallee-io/mallee/internal/cli"
	"github.com/mallee-io/mallee/storage"
	"github.com/mallee-io/mallee/storage/pebble"
)

// output can be read while a command writes it.
type output struct {
	mu      sync.Mutex
	buffer  bytes.Buffer
	written chan struct{}
}

func newOutput() *output { return &output{written: make(chan struct{}, 1)} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case o.written <- struct{}{}:
	default:
	}
	return o.buffer.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buffer.String()
}

func run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	out, errOut := newOutput(), newOutput() // children print there too
	code = cli.Run(t.Context(), args, cli.Streams{In: strings.NewReader(""), Out: out, Err: errOut})
	return code, out.String(), errOut.String()
}

func TestDemoSummary(t *testing.T) {
	t.Parallel()
	code, stdout, stderr := run(t, "demo", "--for", "300ms", "--json", "--players", "10", "--listen", "127.0.0.1:0")
	var s map[string]int64
	if err := json.Unmarshal([]byte(stdout), &s); err != nil || code != 0 {
		t.Fatalf("exit %d, %v: %s%s", code, err, stdout, stderr)
	}
	for _, name := range []string{"calls", "p50_us", "p99_us", "active"} {
		if s[name] <= 0 {
			t.Errorf("%s is %d in %s", name, s[name], stdout)
		}
	}
	if errs, ok := s["errors"]; !ok || errs != 0 {
		t.Errorf("errors in %s", stdout)
	}
}

// As a user: start it, try the curl line that it prints, press Ctrl-C.
func TestDemoServesAndEndsCleanly(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	out, errOut := newOutput(), newOutput()
	done := make(chan int, 1)
	go func() {
		done <- cli.Run(ctx, []string{"demo", "--listen", "127.0.0.1:0", "--players", "5"}, cli.Streams{In: strings.NewReader(""), Out: out, Err: errOut})
	}()
	<-out.written
	curl := regexp.MustCompile(`curl -X POST (\S+) -d '([^']+)'`).FindAllStringSubmatch(out.String(), -1)
	if len(curl) != 2 {
		t.Fatalf("it prints\n%s", out)
	}
	for _, line := range curl {
		response, err := http.Post(line[1], "application/x-www-form-urlencoded", strings.NewReader(line[2]))
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", line[0], response.Status)
		}
	}
	interrupt()
	if code := <-done; code != 0 || !strings.Contains(out.String(), " 0 failed") || errOut.String() != "" {
		t.Errorf("exit %d\n%s%s", code, out, errOut)
	}
}

func TestDemoFindsItsWorldAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	swords := func() (n int) {
		s, err := pebble.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		row, err := s.Get(t.Context(), storage.Key{Table: "state.Player", Key1: "1000", Key2: "bag"})
		if err != nil {
			t.Fatal(err)
		}
		var bag game.Bag
		if err := json.Unmarshal(row.Value, &bag); err != nil {
			t.Fatal(err)
		}
		for _, owned := range bag.Items {
			n += owned
		}
		return n
	}
	last := 0
	for range 2 {
		if code, _, stderr := run(t, "demo", "--for", "500ms", "--json", "--players", "1", "--listen", "127.0.0.1:0", "--data", dir); code != 0 {
			t.Fatal(stderr)
		}
		if now := swords(); now > last {
			last = now
		} else {
			t.Errorf("%d items after %d", now, last)
		}
	}
}

func TestDemoRefusesWhatItCannot(t *testing.T) {
	t.Parallel()
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for want, args := range map[string][]string{
		"choose another address with --listen": {"demo", "--for", "1s", "--listen", l.Addr().String()},
		"--players 0 is not between":           {"demo", "--players", "0"},
		"unknown flag: --speed; see":           {"demo", "--speed", "9"},
		`unknown command "dmeo"`:               {"dmeo"},
		"give the new project one name":        {"new"},
		"cannot be a module path":              {"new", "a b"},
	} {
		code, stdout, stderr := run(t, args...)
		if code == 0 || !strings.Contains(stderr, want) || !strings.HasPrefix(stderr, "mallee: ") {
			t.Errorf("%v: exit %d\n%s%s", args, code, stdout, stderr)
		}
	}
}

func TestGenerateCheck(t *testing.T) {
	t.Parallel()
	if code, stdout, stderr := run(t, "generate", "--check", "../../examples/..."); code != 0 || stdout != "" {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
}

// A new project builds, runs and passes its tests at once.
func TestNewProject(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a project, which takes seconds")
	}
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "shop")
	if code, stdout, stderr := run(t, "new", dir, "--replace", "../..", "--module", "example.com/shop"); code != 0 {
		if strings.Contains(stderr, "go mod tidy failed") && (strings.Contains(stderr, "dial tcp") || strings.Contains(stderr, "no such host")) {
			t.Skipf("modules cannot be fetched here: %s", stderr)
		}
		t.Fatalf("exit %d\n%s%s", code, stdout, stderr)
	}
	for _, args := range [][]string{{"vet", "./..."}, {"test", "./..."}, {"run", "."}, {"generate", "./..."}} {
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("go %v: %v\n%s", args, err, out)
		}
		if args[0] == "run" && string(out) != "sum: 1\nsum: 3\nsum: 6\n" {
			t.Errorf("it prints %q", out)
		}
	}
	if code, _, stderr := run(t, "new", dir); code != 1 || !strings.Contains(stderr, "is there already and not empty") {
		t.Errorf("a second time: exit %d, %s", code, stderr)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 6 {
		t.Errorf("files %v, %v", entries, err)
	}
}

func TestCompletionAndVersion(t *testing.T) {
	t.Parallel()
	if code, stdout, _ := run(t, "completion", "bash"); code != 0 || !strings.Contains(stdout, "mallee") {
		t.Errorf("exit %d", code)
	}
	if code, stdout, _ := run(t, "--version"); code != 0 || !strings.HasPrefix(stdout, "mallee ") {
		t.Errorf("exit %d: %s", code, fmt.Sprint(stdout))
	}
}

// The storage commands on a store that a demo has left behind.
func TestStorageCommands(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	from, to, third, file := "pebble:"+filepath.Join(dir, "from"), "pebble:"+filepath.Join(dir, "to"), "pebble:"+filepath.Join(dir, "third"), filepath.Join(dir, "rows.jsonl")
	if code, _, stderr := run(t, "demo", "--for", "300ms", "--json", "--players", "5", "--listen", "127.0.0.1:0", "--data", from); code != 0 {
		t.Fatal(stderr)
	}
	must := func(args ...string) string {
		t.Helper()
		code, stdout, stderr := run(t, append([]string{"storage"}, args...)...)
		if code != 0 {
			t.Fatalf("%v: %d, %s", args, code, stderr)
		}
		return stdout
	}
	if got := must("ls", from); got != "placement\nstate.Player\n" {
		t.Errorf("tables: %q", got)
	}
	keys := strings.Fields(must("ls", from, "state.Player"))
	if len(keys) != 5 {
		t.Errorf("keys: %q", keys)
	}
	if got := must("ls", from, "state.Player", "--json", "--limit", "1"); got != fmt.Sprintf("{\"key1\":%q}\n", keys[0]) {
		t.Errorf("keys: %q", got)
	}
	if got := strings.Fields(must("ls", from, "state.Player", keys[0])); len(got) != 8 || got[1] != "VERSION" || got[4] != "bag" {
		t.Errorf("rows: %q", got)
	}
	bag := must("get", from, "state.Player", keys[0], "bag")
	if !strings.HasPrefix(bag, "{\n  \"Items\": {") {
		t.Errorf("value: %q", bag)
	}
	var sum map[string]int
	if err := json.Unmarshal([]byte(must("copy", from, to, "--json")), &sum); err != nil || sum["copied"] != 6 || sum["verified"] != 6 {
		t.Errorf("copy: %v, %v", sum, err)
	}
	must("export", to, "-o", file, "--table", "state.Player")
	must("import", third, file)
	if got := must("get", third, "state.Player", keys[0], "bag"); got != bag {
		t.Errorf("after copy, export and import: %q, was %q", got, bag)
	}
	if got := must("ls", third); got != "state.Player\n" {
		t.Errorf("tables: %q", got)
	}
}

func TestStorageMistakes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for want, args := range map[string][]string{
		`no store is named by "rubbish"`: {"ls", "rubbish"},
		"no such file":                   {"ls", "pebble:" + filepath.Join(dir, "none")},
		"the directory is empty":         {"get", "pebble:" + dir, "t", "a"},
		"row not found":                  {"get", "memory:", "t", "a"},
		"see mallee storage copy":        {"copy", "memory:"},
		"file exists":                    {"export", "memory:", "-o", "cli_test.go"},
		"see mallee storage ls":          {"ls", "memory:", "--rubbish"},
		"xxxxx@host":                     {"ls", "mysql://me:secret@host/db"},
		"none.jsonl: no such file":       {"import", "memory:", filepath.Join(dir, "none.jsonl")},
		"invalid character 'p'":          {"import", "memory:", "cli_test.go"},
	} {
		code, _, stderr := run(t, append([]string{"storage"}, args...)...)
		if code == 0 || !strings.Contains(stderr, want) || strings.Contains(stderr, "secret") || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%v: %d, %q, want %q", args, code, stderr, want)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("something was made: %v, %v", entries, err)
	}
}
