package cli_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/client"
	"github.com/mallee-io/mallee/examples/arena"
	"github.com/mallee-io/mallee/internal/cli"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/storage"
	"github.com/mallee-io/mallee/storage/etcd/etcdtest"
)

// begin runs a command until the function that it returns is called, which
// returns how it has ended. It returns when the command has written its line.
func begin(t *testing.T, args ...string) (line string, end func() string) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	out, done := newOutput(), make(chan string, 1)
	go func() {
		errOut := newOutput()
		code := cli.Run(ctx, args, cli.Streams{In: strings.NewReader(""), Out: out, Err: errOut})
		done <- fmt.Sprintf("exit %d: %s", code, errOut)
	}()
	t.Cleanup(stop)
	select {
	case <-out.written:
	case how := <-done:
		t.Fatal(how)
	}
	return out.String(), func() string { stop(); return <-done }
}

func TestGateway(t *testing.T) {
	t.Parallel()
	pd := etcdtest.FreeAddress(t).Host
	_, endPD := begin(t, "pd", "--listen", pd, "--peer-listen", etcdtest.FreeAddress(t).Host, "--data-dir", filepath.Join(t.TempDir(), "data"), "--json")
	defer endPD()
	n, err := node.Start(t.Context(), node.Config{Types: arena.Types("n1"), Store: storage.Memory(), Placement: placement.Dial(pd)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := n.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}()
	line, end := begin(t, "gateway", "--pd", pd, "--login", "accounts", "--accounts", arena.AccountsActor,
		"--websocket", "127.0.0.1:0", "--tcp", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--drain-spread", "10ms", "--json")
	var ready struct {
		Ready   bool
		Admin   string
		Clients map[string]string
	}
	if err := json.Unmarshal([]byte(line), &ready); err != nil || !ready.Ready || ready.Admin == "" || len(ready.Clients) != 2 {
		t.Fatalf("%q: %v", line, err)
	}
	for carrier, url := range ready.Clients {
		fly(t, carrier, url)
	}
	if how := end(); !strings.HasPrefix(how, "exit 0: ") || strings.Contains(how, "mallee:") {
		t.Error(how)
	}
}

// fly plays the arena until the first frame has come.
func fly(t *testing.T, name, url string) {
	t.Helper()
	conn, err := client.Dial(t.Context(), client.Config{URLs: []string{url}, Login: client.Login(arena.Login{Name: name})})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	enter, err := json.Marshal(arena.Request{Enter: &arena.Entry{Field: name}})
	if err == nil {
		err = conn.Send(t.Context(), mallee.Message{Text: true, Data: enter})
	}
	if err != nil {
		t.Fatal(err)
	}
	for {
		m, err := conn.Receive(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var r arena.Report
		if err := json.Unmarshal(m.Data, &r); err != nil {
			t.Fatal(err)
		}
		if r.Frame != nil {
			return
		}
	}
}

func TestGatewayRefuses(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args, want string
		code       int
	}{
		{"", "--login", 2},
		{"--login none", "--login: \"none\" is none of koala, jwt, accounts, open", 2},
		{"--login open", "--actor TYPE", 2},
		{"--login accounts", "--accounts TYPE", 2},
		{"--login koala", "--koala-key-file", 2},
		{"--login koala --koala-key-file " + empty, "--quick-connect", 2},
		{"--login koala --accounts A --koala-key-file " + empty, "empty", 2},
		{"--login koala --accounts A --koala-key-file " + empty + "x", "no such file", 2},
		{"--login jwt --actor Player", "--jwks URL", 2},
		{"--login open --actor A --quic 127.0.0.1:0", "--cert", 2},
		{"--login open --actor A --path connect", "does not begin with /", 2},
		{"--login open --actor A --cert x --key y", "gateway.cert", 2},
		{"--login open --actor A --websocket 192.0.2.1:1", "gateway.websocket", 1},
		{"--login open --actor A --secret-file " + empty, "empty", 2},
		{"--max-message 0", "not a number from 1", 2},
	} {
		code, out, errOut := run(t, append([]string{"gateway"}, strings.Fields(test.args)...)...)
		if code != test.code || out != "" || !strings.Contains(errOut, test.want) || strings.Count(errOut, "\n") != 1 {
			t.Errorf("%s: status %d, %q, %q", test.args, code, out, errOut)
		}
	}
}
