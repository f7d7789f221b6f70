//go:build unix

package procs_test

import (
	"io"
	"net/http"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A child that is paused cannot see that its parent is gone.
func TestLifelineOfAPausedChild(t *testing.T) {
	t.Parallel()
	dir, addr := t.TempDir(), freeAddr(t)
	parent := start(t, spec("parent", dir, addr, dir))
	child := connect(t, addr)
	pid := pidOf(t, addr)
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	awaitStopped(t, pid)
	parent.Kill()
	expectEnd(t, child)
}

// awaitStopped returns when all threads of a process have stopped: the signal
// only begins that, and the system does not wake what stops later.
func awaitStopped(t *testing.T, pid int) {
	t.Helper()
	args := []string{"-o", "stat=", "-p", strconv.Itoa(pid)}
	if runtime.GOOS == "linux" {
		args = append(args, "-L") // of each thread
	}
	runs := func(state string) bool { return !strings.HasPrefix(state, "T") }
	for end := time.Now().Add(patience); time.Now().Before(end); {
		states, err := exec.Command("ps", args...).Output()
		if err != nil {
			t.Skip("this system does not tell the state of a process: ", err)
		}
		if !slices.ContainsFunc(strings.Fields(string(states)), runs) {
			return
		}
	}
	t.Fatal("the process does not stop")
}

// pidOf asks the process that listens on an address for its number.
func pidOf(t *testing.T, addr string) int {
	t.Helper()
	response, err := http.Get("http://" + addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}
