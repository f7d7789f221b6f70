package browsertest

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
)

// demo is a mallee demo of several processes.
type demo struct {
	arena string         // URL of the page
	pids  map[string]int // of its processes, by name
}

var (
	arenaLine   = regexp.MustCompile(`^\s*arena\s+(http://\S+)`)
	processLine = regexp.MustCompile(`^\s*(\S+)\s+process (\d+)$`)
	lastLine    = regexp.MustCompile(`^Ctrl-C ends it`)
)

func startDemo(t *testing.T) *demo {
	t.Helper()
	mallee := filepath.Join(t.TempDir(), "mallee")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", mallee, "./cmd/mallee")
	build.Dir = filepath.Join("..", "..", "..") // its module is another one
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, mallee, "demo", "--processes", "3", "--players", "4", "--listen", "127.0.0.1:0")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = patience
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // calls fail when a node is killed, and the demo says so
	})
	d := &demo{pids: make(map[string]int)}
	lines := bufio.NewScanner(out)
	for lines.Scan() && !lastLine.MatchString(lines.Text()) {
		if m := arenaLine.FindStringSubmatch(lines.Text()); m != nil {
			d.arena = m[1]
		} else if m := processLine.FindStringSubmatch(lines.Text()); m != nil {
			d.pids[m[1]], _ = strconv.Atoi(m[2])
		}
	}
	go func() {
		for lines.Scan() { // figures that nobody reads must not stop the demo
		}
	}()
	if d.arena == "" || len(d.pids) == 0 {
		t.Fatalf("the demo has told of no arena or no processes: %+v", d)
	}
	return d
}

// kill ends a process of the demo as a crash would.
func (d *demo) kill(t *testing.T, name string) {
	t.Helper()
	process, err := os.FindProcess(d.pids[name])
	if err == nil {
		err = process.Kill()
	}
	if err != nil {
		t.Fatalf("kill %s: %v", name, err)
	}
}
