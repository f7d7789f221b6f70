package cli_test

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mallee-io/mallee/internal/cli"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/storage/etcd/etcdtest"
)

func TestPD(t *testing.T) {
	t.Parallel()
	addr := etcdtest.FreeAddress(t).Host
	args := []string{"pd", "--listen", addr, "--peer-listen", etcdtest.FreeAddress(t).Host, "--data-dir", filepath.Join(t.TempDir(), "data")}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out, done := newOutput(), make(chan string, 1)
	go func() {
		errOut := newOutput()
		code := cli.Run(ctx, append(args, "--json"), cli.Streams{In: strings.NewReader(""), Out: out, Err: errOut})
		done <- fmt.Sprintf("exit %d: %s", code, errOut)
	}()
	select {
	case <-out.written:
	case end := <-done:
		t.Fatal(end)
	}
	var ready struct {
		Ready bool
		Addr  string
	}
	if err := json.Unmarshal([]byte(out.String()), &ready); err != nil || !ready.Ready || ready.Addr != addr {
		t.Errorf("%q: %v", out, err)
	}
	d := placement.Dial(addr)
	lease, err := d.Join(ctx, placement.Member{Name: "a", Addr: "127.0.0.1:1"}, nil)
	if err != nil || lease.ID != 1 {
		t.Errorf("%+v, %v", lease, err)
	}
	code, _, stderr := run(t, args...)
	if code != 1 || !strings.Contains(stderr, "in use by another process") || strings.Count(stderr, "\n") != 1 {
		t.Errorf("a second one: exit %d: %s", code, stderr)
	}
	stop()
	if end := <-done; !strings.HasPrefix(end, "exit 0: ") || strings.Contains(end, "mallee:") {
		t.Error(end)
	}
}
