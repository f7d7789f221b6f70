package cli_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mallee-io/mallee/examples/game"
	"github.com/mallee-io/mallee/internal/cli"
	"github.com/mallee-io/mallee/internal/config"
	"github.com/mallee-io/mallee/internal/tlstest"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/storage"
	"github.com/mallee-io/mallee/storage/etcd/etcdtest"
)

// startPD runs mallee pd until the end of the test.
func startPD(t *testing.T, args ...string) (admin string) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	out, done := newOutput(), make(chan string, 1)
	go func() {
		errOut := newOutput()
		code := cli.Run(ctx, append(append([]string{"pd"}, args...), "--json"), cli.Streams{In: strings.NewReader(""), Out: out, Err: errOut})
		done <- fmt.Sprintf("exit %d: %s", code, errOut)
	}()
	t.Cleanup(func() { stop(); <-done })
	select {
	case <-out.written:
	case end := <-done:
		done <- end
		t.Fatal(end)
	}
	var ready struct{ Admin string }
	if err := json.Unmarshal([]byte(out.String()), &ready); err != nil {
		t.Fatal(err)
	}
	return ready.Admin
}

// One file is for all processes of a machine: the placement driver, a node that
// has a store and addresses, and tools, which go without those.
func TestOneFileForAll(t *testing.T) {
	t.Parallel()
	files, addr := tlstest.Certificate(t), etcdtest.FreeAddress(t).Host
	secure, err := config.TLS(files).Config()
	if err != nil {
		t.Fatal(err)
	}
	peer := etcdtest.FreeAddress(t).Host
	file := filepath.Join(t.TempDir(), "mallee.yaml")
	content := fmt.Sprintf(`cluster: shop
pd: [%q]
listen: %q
admin: %[2]q
types: [Nothing]
store: postgres://127.0.0.1:1/none
tls: {cert: %q, key: %q, ca: %q}
pd_server:
  data_dir: %q
  listen: 127.0.0.1:1
  peer_listen: %q
  initial_cluster: [pd=%s]
  admin: 127.0.0.1:0
`, addr, addr, files.Cert, files.Key, files.CA, filepath.Join(t.TempDir(), "data"), peer, peer)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	admin := startPD(t, "--config", file, "--listen", addr)
	response, err := http.Get("http://" + admin + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	if response.Body.Close(); response.StatusCode != http.StatusOK {
		t.Error(response.Status)
	}
	n, err := node.Start(t.Context(), node.Config{
		Types: game.Types(), Store: storage.Memory(), TLS: secure, Cluster: "shop",
		Placement: placement.DialWith(placement.DialConfig{Addrs: []string{addr}, Cluster: "shop", TLS: secure}),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Abort()
	for _, test := range []struct{ args, want string }{
		{"status", "cluster shop, term 1"},
		{"call Player/ann Echo [\"hi\"]", "hi"},
		{"node cordon " + fmt.Sprint(n.ID()), "told to cordon"},
	} {
		code, stdout, stderr := run(t, append(strings.Fields(test.args), "--config", file)...)
		if code != 0 || !strings.Contains(stdout, test.want) {
			t.Errorf("%s: exit %d, %s%s", test.args, code, stdout, stderr)
		}
	}
	if code, _, stderr := run(t, "status", "--pd", addr, "--timeout", "2s"); code != 1 {
		t.Errorf("without a certificate: exit %d, %s", code, stderr)
	}
	if code, _, stderr := run(t, "status", "--tls-cert", files.Cert); code != 2 || !strings.Contains(stderr, "belong together") {
		t.Errorf("half a certificate: exit %d, %s", code, stderr)
	}
}

func TestPDRefusesUsersOfEtcd(t *testing.T) {
	t.Parallel()
	code, _, stderr := run(t, "pd", "--etcd", "etcd://me:secret@127.0.0.1:2379")
	if code != 2 || strings.Contains(stderr, "secret") || !strings.Contains(stderr, "without a user") {
		t.Errorf("exit %d, %s", code, stderr)
	}
}

// What a shell asks for when somebody presses TAB.
func TestClusterCompletion(t *testing.T) {
	t.Parallel()
	_, addr := startFakePD(t)
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"node", "drain", "--pd", addr, ""}, "a\tnode 1 at 10.0.0.3:7000, ready\nb\tnode 2 at , ready\n:4\n"},
		{[]string{"node", "cordon", "--pd", addr, "a", ""}, ":4\n"},
		{[]string{"actors", "--pd", addr, "--type", ""}, "Player\n:4\n"},
		{[]string{"node", "drain", "--pd", "127.0.0.1:1", ""}, ":1\n"},
	} {
		if _, stdout, stderr := run(t, append([]string{"__complete"}, test.args...)...); stdout != test.want {
			t.Errorf("%q offers %q, %s", test.args, stdout, stderr)
		}
	}
}
