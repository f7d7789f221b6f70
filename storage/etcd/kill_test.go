package etcd_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/server/v3/embed"

	"github.com/mallee-io/mallee/storage/etcd"
	"github.com/mallee-io/mallee/storage/etcd/etcdtest"
)

// serverDir and serverHost are the environment of a process that is a server.
const (
	serverDir  = "MALLEE_TEST_ETCD_DIR"
	serverHost = "MALLEE_TEST_ETCD_HOST"
)

// TestServerProcess is no test but the server that TestKill kills. It says
// where it is, and ends with its parent.
func TestServerProcess(t *testing.T) {
	dir, host := os.Getenv(serverDir), os.Getenv(serverHost)
	if dir == "" {
		t.Skip("only TestKill runs it")
	}
	server := etcdtest.Start(t, func(c *embed.Config) {
		c.Dir = dir
		if host != "" {
			c.ListenClientUrls[0].Host, c.AdvertiseClientUrls[0].Host = host, host
		}
	})
	fmt.Println(server.Endpoints()[0])
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func startProcess(t *testing.T, dir, host string) (p *exec.Cmd, endpoint string) {
	t.Helper()
	p = exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestServerProcess$")
	p.Env = append(os.Environ(), serverDir+"="+dir, serverHost+"="+host)
	p.Stderr = t.Output()
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the server says %q: %v", line, err)
	}
	return p, strings.TrimSpace(line)
}

// The server is killed in the middle of writes and comes back: what was
// acknowledged is there, no batch is half there, and the same store goes on.
func TestKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	process, endpoint := startProcess(t, dir, "")
	config := etcd.Config{Endpoints: []string{endpoint}}
	s := open(t, config)
	c := startCrowd(t, s, endpoint, time.Second)
	for range 3 {
		c.progress()
		_ = process.Process.Kill()
		_ = process.Wait()
		checkAway(t, s, endpoint)
		process, _ = startProcess(t, dir, endpoint)
	}
	c.progress()
	acknowledged, lost := c.end(open(t, config))
	t.Logf("%d acknowledged writes, %d answers lost", acknowledged, lost)
	_ = process.Process.Kill()
	_ = process.Wait()
}
