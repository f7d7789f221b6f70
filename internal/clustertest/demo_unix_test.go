//go:build unix

package clustertest_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// The demo as a user runs it from the source, to its end.
func TestDemo(t *testing.T) {
	t.Parallel()
	demo := exec.CommandContext(within(t), "go", "run", "./cmd/mallee", "demo", "--processes", "3", "--for", "5s", "--players", "20", "--listen", "127.0.0.1:0", "--json")
	demo.Dir = "../.."
	var errOut strings.Builder
	demo.Stderr = &errOut
	out, err := demo.Output()
	var summary struct{ Calls, Errors, Active int }
	if jsonErr := json.Unmarshal(out, &summary); err != nil || jsonErr != nil || summary.Calls == 0 || summary.Errors != 0 {
		t.Errorf("%v, %s, %v, %s", err, out, jsonErr, &errOut)
	}
}

// Ctrl-C ends the demo and all of its processes.
func TestDemoInterrupted(t *testing.T) {
	t.Parallel()
	demo := exec.CommandContext(within(t), "go", "run", "./cmd/mallee", "demo", "--processes", "3", "--players", "20", "--listen", "127.0.0.1:0")
	demo.Dir = "../.."
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
	// go run ends with the program's status.
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
