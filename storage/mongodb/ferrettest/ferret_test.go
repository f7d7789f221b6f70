package ferrettest_test

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mallee-io/mallee/storage/mongodb"
	"github.com/mallee-io/mallee/storage/mongodb/mongotest"
)

// process is a FerretDB behind a proxy that gives it what MongoDB has.
type process struct {
	program string
	dir     string
	proxy   *mongotest.Proxy
	cmd     *exec.Cmd
	backend string
}

func start(t *testing.T) *process {
	t.Helper()
	p := &process{program: build(t), dir: t.TempDir()}
	p.proxy = mongotest.NewProxy(t, "", improved())
	p.start(t)
	t.Cleanup(func() { p.kill(t) })
	return p
}

// build makes the server, without the race detector, which would make it ten
// times slower.
func build(t *testing.T) (program string) {
	t.Helper()
	program = filepath.Join(t.TempDir(), "server")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./server").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return program
}

func (p *process) start(t *testing.T) {
	t.Helper()
	p.cmd = exec.Command(p.program, p.dir)
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
	p.backend = strings.TrimSpace(address)
	p.proxy.SetBackend(p.backend)
}

func (p *process) kill(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = p.cmd.Wait()
}

// improved makes a server that the store can use of FerretDB 1, which
//
//   - looks for the document of an update and then writes it, and in between
//     another command may, so the store refuses it: here one command writes at
//     a time, and the store is told that it is version 2
//   - refuses an array in an array: here it becomes a document
func improved() mongotest.Handler {
	var one sync.Mutex
	return func(command bson.Raw, forward mongotest.Forward) bson.Raw {
		switch name, _ := mongotest.Name(command); name {
		case "insert", "update", "delete", "create", "dropDatabase":
			one.Lock()
			defer one.Unlock()
			return forward(rewrite(command, fold))
		case "find", "getMore":
			return rewrite(forward(command), unfold)
		case "buildInfo":
			return with(without(forward(command), "ferretdbVersion"), bson.E{Key: "ferretdb", Value: bson.D{{Key: "version", Value: "v2.0.0"}}})
		}
		return forward(command)
	}
}

const folded = "array in an array"

func fold(element any) any {
	if a, ok := element.(bson.A); ok {
		return bson.D{{Key: folded, Value: a}}
	}
	return element
}

func unfold(element any) any {
	if d, ok := element.(bson.D); ok && len(d) == 1 && d[0].Key == folded {
		return d[0].Value
	}
	return element
}

// rewrite changes the elements of all arrays in a message.
func rewrite(message bson.Raw, change func(element any) any) bson.Raw {
	var d bson.D
	if err := bson.Unmarshal(message, &d); err != nil {
		return nil
	}
	rewriteIn(d, change)
	return encode(d)
}

func rewriteIn(value any, change func(element any) any) {
	switch value := value.(type) {
	case bson.D:
		for _, e := range value {
			rewriteIn(e.Value, change)
		}
	case bson.A:
		for i := range value {
			value[i] = change(value[i])
			rewriteIn(value[i], change)
		}
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

// Without that, the store does not touch FerretDB 1.
func TestRefused(t *testing.T) {
	t.Parallel()
	p := start(t)
	bare := mongotest.NewProxy(t, p.backend, mongotest.Pass)
	_, err := mongodb.Open(t.Context(), "mongodb://"+bare.Address)
	if err == nil || !strings.Contains(err.Error(), "whose updates first read and then write") {
		t.Error(err)
	}
}
