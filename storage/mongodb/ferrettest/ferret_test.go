package ferrettest_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/FerretDB/FerretDB/ferretdb"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mallee-io/mallee/storage/mongodb/mongotest"
)

const dirVariable = "MALLEE_TEST_FERRETDB_DIR"

// TestMain is also the server, in a process of its own, which can be killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv(dirVariable); dir != "" {
		fmt.Fprintln(os.Stderr, serve(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// serve runs FerretDB until the standard input ends. It prints its address.
func serve(dir string) error {
	f, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{TCP: "127.0.0.1:0"},
		Logger:    slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
		Handler:   "sqlite",
		SQLiteURL: "file:" + dir + "/",
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	go func() { fmt.Println(strings.Trim(strings.TrimPrefix(f.MongoDBURI(), "mongodb://"), "/")) }()
	return f.Run(ctx)
}

// process is a FerretDB behind a proxy that gives it what MongoDB has.
type process struct {
	dir   string
	proxy *mongotest.Proxy
	cmd   *exec.Cmd
}

func start(t *testing.T) *process {
	t.Helper()
	p := &process{dir: t.TempDir()}
	p.proxy = mongotest.NewProxy(t, "", atomic())
	p.start(t)
	t.Cleanup(func() { p.kill(t) })
	return p
}

func (p *process) start(t *testing.T) {
	t.Helper()
	p.cmd = exec.Command(os.Args[0])
	p.cmd.Env = append(os.Environ(), dirVariable+"="+p.dir)
	p.cmd.Stderr = os.Stderr
	if _, err := p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	p.proxy.SetBackend(strings.TrimSpace(address))
}

func (p *process) kill(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = p.cmd.Wait()
}

// atomic lets one command write at a time. FerretDB 1 looks for the document
// of an update and then writes it, and in between another command may; a
// server that the store is made for does both at once. So the store refuses
// FerretDB 1, and is told that this is a newer one.
func atomic() mongotest.Handler {
	var one sync.Mutex
	return func(command bson.Raw, forward mongotest.Forward) bson.Raw {
		switch name, _ := mongotest.Name(command); name {
		case "insert", "update", "delete", "create", "dropDatabase":
			one.Lock()
			defer one.Unlock()
		case "buildInfo":
			return with(without(forward(command), "ferretdbVersion"), bson.E{Key: "ferretdbVersion", Value: "v2.0.0"})
		}
		return forward(command)
	}
}

func TestFerretDB(t *testing.T) {
	t.Parallel()
	p := start(t)
	mongotest.Run(t, mongotest.Server{
		URI:   "mongodb://" + p.proxy.Address + "/",
		Kill:  p.kill,
		Start: p.start,
	})
}
