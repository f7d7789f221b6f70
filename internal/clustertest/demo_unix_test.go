//go:build unix

package clustertest_test

import (
	"bufio"
	"errors"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// Ctrl-C ends the demo and all of its processes.
func TestDemoInterrupted(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "mallee")
	if text, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../../cmd/mallee").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	demo := exec.CommandContext(t.Context(), program, "demo", "--processes", "3", "--players", "20", "--listen", "127.0.0.1:0")
	demo.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // as a shell does, so that a terminal can interrupt all of it
	var errOut strings.Builder
	demo.Stderr = &errOut
	out, err := demo.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := demo.Start(); err != nil {
		t.Fatal(err)
	}
	pids := make(map[string]int)
	line := regexp.MustCompile(`^\s+(\S+)\s+process (\d+)$`)
	interrupted, summary := false, ""
	for lines := bufio.NewScanner(out); lines.Scan(); summary = lines.Text() {
		if m := line.FindStringSubmatch(lines.Text()); m != nil {
			pids[m[1]], _ = strconv.Atoi(m[2])
		}
		if strings.Contains(lines.Text(), "calls/s") && !interrupted {
			interrupted = true
			if err := syscall.Kill(-demo.Process.Pid, syscall.SIGINT); err != nil {
				t.Error(err)
			}
		}
	}
	if err := demo.Wait(); err != nil || !strings.Contains(summary, "0 failed") {
		t.Errorf("%v, %q, %s", err, summary, &errOut)
	}
	if len(pids) != 6 {
		t.Errorf("the processes %v", pids)
	}
	for name, pid := range pids {
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("%s still runs: %v", name, err)
		}
	}
}
