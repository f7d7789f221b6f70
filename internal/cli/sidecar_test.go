package cli_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/mallee-io/mallee/internal/cli"
	"github.com/mallee-io/mallee/internal/config"
	"github.com/mallee-io/mallee/internal/procs"
	"github.com/mallee-io/mallee/sidecar/sidecartest"
)

// ready is the line of a sidecar that serves.
type ready struct {
	Ready                bool
	Name, Function, Addr string
}

// get is the status and the body of an answer.
func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(text)
}

func TestSidecar(t *testing.T) {
	t.Parallel()
	f := sidecartest.Start(t, sidecartest.Config{})
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out, errOut, done := newOutput(), newOutput(), make(chan int, 1)
	go func() {
		done <- cli.Run(ctx, []string{
			"sidecar", "--json", "--function", f.Addr(), "--http", "127.0.0.1:0", "--management", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "-Dconfig.resource=no-store.conf", "-Dother=1",
		}, cli.Streams{In: strings.NewReader(""), Out: out, Err: errOut})
	}()
	select {
	case <-out.written:
	case code := <-done:
		t.Fatalf("exit %d: %s", code, errOut)
	}
	var line ready
	if err := json.Unmarshal([]byte(out.String()), &line); err != nil || !line.Ready || line.Name != "sidecar" || line.Function != f.Addr() {
		t.Errorf("%q: %v", out, err)
	}
	answer, err := http.Post("http://"+line.Addr+"/tck/model/entity/it", "application/json", strings.NewReader(`{"actions":[{"update":{"value":"A"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	if err != nil || answer.StatusCode != http.StatusOK || string(body) != `{"message":"A"}` {
		t.Errorf("%s %s, %v", answer.Status, body, err)
	}
	stop()
	if code := <-done; code != 0 || strings.Contains(errOut.String(), "mallee: ") {
		t.Errorf("exit %d: %s", code, errOut)
	}
}

func TestSidecarRefuses(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"--pd 127.0.0.1:1":               "set --store",
		"--store rubbish":                `no store is named by "rubbish"`,
		"--broker http://127.0.0.1":      "none of nats://, tls:// and kafka://",
		"--broker kafka://a:1?sasl=b":    "sasl",
		"--strict perhaps":               "on, off",
		"--function nowhere":             "nowhere",
		"--relay-timeout 0s":             "0s",
		"-Dconfig.resource=spanner.conf": "spanner.conf names no store",
		"something":                      "something",
	} {
		ctx, cancel := context.WithTimeout(t.Context(), patience) // what it accepts would serve for ever
		out, errOut := newOutput(), newOutput()
		code := cli.Run(ctx, append([]string{"sidecar", "--http", "127.0.0.1:0", "--management", "127.0.0.1:0", "--metrics", "127.0.0.1:0"}, strings.Fields(args)...), cli.Streams{In: strings.NewReader(""), Out: out, Err: errOut})
		cancel()
		lines := strings.Split(strings.TrimSpace(errOut.String()), "\n")
		if last := lines[len(lines)-1]; code == 0 || out.String() != "" || !strings.Contains(last, want) || !strings.HasPrefix(last, "mallee: ") {
			t.Errorf("%s: exit %d, %q, %q", args, code, out, errOut)
		}
	}
	if code, stdout, _ := run(t, "sidecar", "--help"); code != 0 || !strings.Contains(stdout, "--function") || strings.Contains(stdout, "--property") {
		t.Errorf("help: exit %d\n%s", code, stdout)
	}
}

// TAB offers the flags, and the words of those that take one of a few.
func TestSidecarCompletion(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"on\noff\n":       {"sidecar", "--strict", ""},
		"--relay-timeout": {"sidecar", "--rel"},
		"--broker":        {"dev", "--br"},
		"sidecar":         {"side"},
	} {
		if code, stdout, stderr := run(t, append([]string{"__complete"}, args...)...); code != 0 || !strings.HasPrefix(stdout, want) {
			t.Errorf("%q: exit %d, %q, %s", args, code, stdout, stderr)
		}
	}
}

// child starts this program with a command line of mallee, and no settings but
// those that are given.
func child(t *testing.T, name string, environ []string, args ...string) *procs.Process {
	t.Helper()
	p, err := procs.Start(procs.Spec{Name: name, Args: args, Env: append(noSettings(), environ...), Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

func noSettings() []string {
	environ := []string{"MALLEE_CONFIG=" + os.DevNull}
	for _, s := range config.All() {
		environ = append(environ, s.Env()+"=")
	}
	return environ
}

func printed(t *testing.T, p *procs.Process) string {
	t.Helper()
	text, err := os.ReadFile(p.Log())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// What Cloudstate's operator injects is understood.
func TestCloudstateEnvironment(t *testing.T) {
	t.Parallel()
	f := sidecartest.Start(t, sidecartest.Config{})
	_, port, err := net.SplitHostPort(f.Addr())
	if err != nil {
		t.Fatal(err)
	}
	addrs, err := procs.FreeAddrs(3)
	if err != nil {
		t.Fatal(err)
	}
	ports := make([]string, len(addrs))
	for i, addr := range addrs {
		_, ports[i], _ = net.SplitHostPort(addr)
	}
	management := "http://" + addrs[1]
	p := child(t, "sidecar", []string{
		"USER_FUNCTION_PORT=" + port, "HTTP_PORT=" + ports[0], "MANAGEMENT_PORT=" + ports[1], "METRICS_HOST=127.0.0.1", "METRICS_PORT=" + ports[2],
		"REMOTING_PORT=2552", "POSTGRES_SERVICE=127.0.0.1", "POSTGRES_PORT=1", // weaker than what the image has for a store
	}, "sidecar", "--json", "-Dconfig.resource=in-memory.conf", "-Djava.net.preferIPv4Stack=true")
	for serves := procs.HTTPReady(management + "/ready"); ; {
		if err := serves(t.Context(), p); err == nil {
			break
		} else if p.Ended() {
			t.Fatalf("it has ended: %s", printed(t, p))
		}
	}
	var line ready
	for text := range strings.Lines(printed(t, p)) {
		if strings.Contains(text, `"function"`) && strings.Contains(text, `"ready"`) {
			err = json.Unmarshal([]byte(text), &line)
		}
	}
	if err != nil || line.Function != "127.0.0.1:"+port || !strings.HasSuffix(line.Addr, ":"+ports[0]) {
		t.Errorf("%+v, %v: %s", line, err, printed(t, p))
	}
	if status, body := get(t, management+"/alive"); status != http.StatusOK {
		t.Errorf("alive: %d %s", status, body)
	}
	if status, body := get(t, "http://"+addrs[2]+"/metrics"); status != http.StatusOK || !strings.Contains(body, "mallee_sidecar_commands_total") {
		t.Errorf("figures: %d %s", status, body)
	}
	f.Stop()
	for status := http.StatusOK; status == http.StatusOK; {
		status, _ = get(t, management+"/ready")
	}
	if status, _ := get(t, management+"/alive"); status != http.StatusOK {
		t.Errorf("without its user function it is not alive: %d", status)
	}
}

// Stores that the environment names, or that there are not.
func TestCloudstateStores(t *testing.T) {
	t.Parallel()
	for i, test := range []struct {
		environ, args, want string
	}{
		{"CASSANDRA_CONTACT_POINTS=a", "", "CASSANDRA_CONTACT_POINTS is set"},
		{"SPANNER_INSTANCE=a", "", "SPANNER_INSTANCE is set"},
		{"POSTGRES_SERVICE=127.0.0.1 POSTGRES_PORT=70000 POSTGRES_USERNAME=ann POSTGRES_PASSWORD=secret", "", "70000"},
		{"POSTGRES_SERVICE=127.0.0.1 POSTGRES_PASSWORD=secret POSTGRES_SSL_MODE=perhaps", "", "sslmode"},
		{"POSTGRES_SERVICE=127.0.0.1", "--store rubbish", `"rubbish"`},
		{"MALLEE_STORE=rubbish POSTGRES_SERVICE=127.0.0.1", "", `"rubbish"`},
		{"MALLEE_STORE=rubbish", "-Dconfig.resource=in-memory.conf", `"rubbish"`},
	} {
		p := child(t, fmt.Sprint("sidecar", i), strings.Fields(test.environ), append([]string{"sidecar"}, strings.Fields(test.args)...)...)
		<-p.Done()
		text := printed(t, p)
		if !strings.Contains(text, "mallee: ") || !strings.Contains(text, test.want) || strings.Contains(text, "secret") {
			t.Errorf("%s %s: %s", test.environ, test.args, text)
		}
	}
}
