//go:build unix

package procs_test

import (
	"io"
	"net/http"
	"strconv"
	"syscall"
	"testing"
)

// A child that is paused cannot see that its parent is gone.
func TestLifelineOfAPausedChild(t *testing.T) {
	t.Parallel()
	dir, addr := t.TempDir(), freeAddr(t)
	parent := start(t, spec("parent", dir, addr, dir))
	child := connect(t, addr)
	if err := syscall.Kill(pidOf(t, addr), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	parent.Kill()
	expectEnd(t, child)
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
