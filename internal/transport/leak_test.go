package transport_test

import (
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/mallee-io/mallee/internal/transport"
)

// Nothing is left behind by Detach. This test is not parallel, since it looks
// at the whole process.
func TestDetachLeavesNothing(t *testing.T) {
	before := sockets(t)
	for _, graceful := range []bool{false, true} {
		f := newOverTCP(transport.TCPConfig{})
		a, b := join(t, f, 1), join(t, f, 2)
		connect(t, a, b)
		f.set(3, "127.0.0.1:1")
		_ = a.send(3, request(1, ""))
		p := dialRaw(t, b)
		for _, r := range []*recorder{a, b} {
			if graceful {
				r.Close(r.id)
			}
			r.Detach(r.id)
		}
		_ = p.Close()
	}
	never, err := transport.ListenTCP(newOverTCP(transport.TCPConfig{}).config)
	if err != nil {
		t.Fatal(err)
	}
	never.Detach(1)
	for end := time.Now().Add(patience); ; runtime.Gosched() { // goroutines that have said that they are done are still there for a moment
		stacks, after := goroutines(), sockets(t)
		if stacks == "" && after <= before {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d sockets instead of %d, and\n%s", after, before, stacks)
		}
	}
}

// goroutines of the package.
func goroutines() (all string) {
	buf := make([]byte, 1<<20)
	for stack := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(stack, "internal/transport.(*") {
			all += stack + "\n\n"
		}
	}
	return all
}

func sockets(t *testing.T) (n int) {
	t.Helper()
	const fds = "/proc/self/fd/"
	entries, err := os.ReadDir(fds)
	if err != nil {
		t.Skip("this system does not list descriptors: ", err)
	}
	for _, e := range entries {
		if target, err := os.Readlink(fds + e.Name()); err == nil && strings.HasPrefix(target, "socket:") {
			n++
		}
	}
	return n
}
