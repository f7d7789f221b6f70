package procs_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mallee-io/mallee/internal/procs"
)

// patience is an upper bound for what a busy machine may take.
const patience = time.Minute

// This program is also the children of its tests: childVariable says which.
const childVariable = "MALLEE_TEST_CHILD"

func TestMain(m *testing.M) {
	procs.Hold()
	if child := os.Getenv(childVariable); child != "" {
		os.Exit(runChild(child, os.Args[1]))
	}
	os.Exit(m.Run())
}

func runChild(child, addr string) int {
	fmt.Println("first line of", child)
	fmt.Println("last line of", child)
	switch child {
	case "broken":
		return 3
	case "done":
		return 0
	case "deaf":
		signal.Ignore(syscall.SIGTERM)
	case "parent": // of a polite child, which it leaves behind
		p, err := procs.Start(spec("polite", os.Args[2], addr))
		if err == nil {
			err = p.Wait(context.Background())
		}
		if err != nil {
			fmt.Println(err)
			return 1
		}
		if len(os.Args) > 3 {
			panic(os.Args[3])
		}
		select {}
	}
	if child == "polite" {
		go func() {
			asked := make(chan os.Signal, 1)
			signal.Notify(asked, os.Interrupt, syscall.SIGTERM)
			<-asked
			os.Exit(0)
		}()
	}
	fmt.Println(http.ListenAndServe(addr, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, os.Getpid())
	})))
	return 1
}

func spec(child, dir, addr string, args ...string) procs.Spec {
	return procs.Spec{
		Name: child, Args: append([]string{addr}, args...), Env: []string{childVariable + "=" + child},
		Dir: dir, Ready: procs.HTTPReady("http://" + addr),
	}
}

func freeAddr(t *testing.T) string {
	t.Helper()
	addrs, err := procs.FreeAddrs(1)
	if err != nil {
		t.Fatal(err)
	}
	return addrs[0]
}

// start starts a child that is gone at the end of the test.
func start(t *testing.T, s procs.Spec) *procs.Process {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	p, err := procs.Start(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	if err := p.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestStopAndStartAgain(t *testing.T) {
	t.Parallel()
	dir, addr := t.TempDir(), freeAddr(t)
	for range 2 {
		ended := make(chan error, 1)
		s := spec("polite", dir, addr)
		s.Exited = func(_ *procs.Process, err error) { ended <- err }
		p := start(t, s)
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if err := p.Stop(ctx); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("ended with %v", err)
			}
		default:
			t.Error("Exited had not been called when Stop returned")
		}
		if err := p.Stop(ctx); err != nil {
			t.Errorf("stop once more: %v", err)
		}
		p.Kill()
	}
	lines, err := procs.Tail(filepath.Join(dir, "polite.log"), 3)
	if want := []string{"last line of polite", "first line of polite", "last line of polite"}; err != nil || !slices.Equal(lines, want) {
		t.Errorf("the log of two lives ends with %q, %v", lines, err)
	}
}

// What an earlier life has printed does not count.
func TestReadyByALine(t *testing.T) {
	t.Parallel()
	dir, addr := t.TempDir(), freeAddr(t)
	if err := os.WriteFile(filepath.Join(dir, "polite.log"), []byte("third line of polite\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := spec("polite", dir, addr)
	s.Ready = procs.SaysReady("last line of polite")
	p := start(t, s)
	err := procs.SaysReady("third line of polite")(t.Context(), p)
	if err == nil || procs.SaysReady("line of polite")(t.Context(), p) == nil {
		t.Errorf("ready by a line that it has not printed: %v", err)
	}
}

func TestStopOfADeafProcess(t *testing.T) {
	t.Parallel()
	p := start(t, spec("deaf", t.TempDir(), freeAddr(t)))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Stop(ctx); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "it was killed") {
		t.Errorf("got %v", err)
	}
	<-p.Done()
}

func TestKill(t *testing.T) {
	t.Parallel()
	p := start(t, spec("deaf", t.TempDir(), freeAddr(t)))
	if p.Asked() {
		t.Error("asked before Kill")
	}
	p.Kill()
	<-p.Done()
	if !p.Asked() {
		t.Error("not asked after Kill")
	}
}

func TestProcessThatEndsAtOnce(t *testing.T) {
	t.Parallel()
	for child, want := range map[string]string{"broken": "exit status 3", "done": "exit status 0"} {
		p, err := procs.Start(spec(child, t.TempDir(), freeAddr(t)))
		if err != nil {
			t.Fatal(err)
		}
		err = p.Wait(t.Context())
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "last line of "+child) {
			t.Errorf("%s: %v", child, err)
		}
	}
}

func TestProcessThatIsNeverReady(t *testing.T) {
	t.Parallel()
	never := errors.New("not yet")
	asked := make(chan struct{}, 1)
	s := spec("polite", t.TempDir(), freeAddr(t))
	s.Ready = func(context.Context, *procs.Process) error {
		select {
		case asked <- struct{}{}:
		default:
		}
		return never
	}
	ended := make(chan struct{})
	s.Exited = func(*procs.Process, error) { close(ended) }
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	p, err := procs.Start(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(ctx); !errors.Is(err, never) {
		t.Errorf("got %v", err)
	}
	<-ended
}

func TestProgramThatIsNotThere(t *testing.T) {
	t.Parallel()
	if _, err := procs.Start(procs.Spec{Name: "x", Path: filepath.Join(t.TempDir(), "x"), Dir: t.TempDir()}); err == nil {
		t.Error("no error")
	}
	if _, err := procs.Start(procs.Spec{Name: "x", Dir: filepath.Join(t.TempDir(), "none")}); err == nil {
		t.Error("no error without a directory")
	}
}

func TestPause(t *testing.T) {
	t.Parallel()
	if !procs.CanPause {
		t.Skip("this system cannot pause processes")
	}
	addr := freeAddr(t)
	p := start(t, spec("polite", t.TempDir(), addr))
	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	expectSilence(t, addr)
	if err := p.Resume(); err != nil {
		t.Fatal(err)
	}
	if err := procs.HTTPReady("http://"+addr)(t.Context(), nil); err != nil {
		t.Errorf("after the pause: %v", err)
	}
	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	p.Kill()
}

// expectSilence waits until what listens on an address does not answer: a
// process that is paused stops soon, not at once.
func expectSilence(t *testing.T, addr string) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		err := procs.HTTPReady("http://"+addr)(ctx, nil)
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			return
		}
	}
	t.Errorf("%s still answers", addr)
}

// When a parent is killed, its child does not outlive it.
func TestLifeline(t *testing.T) {
	t.Parallel()
	dir, addr := t.TempDir(), freeAddr(t)
	parent := start(t, spec("parent", dir, addr, dir))
	child := connect(t, addr)
	parent.Kill()
	expectEnd(t, child)
}

func TestLifelineOfAParentThatPanics(t *testing.T) {
	t.Parallel()
	dir, addr := t.TempDir(), freeAddr(t)
	s := spec("parent", dir, addr, dir, "help")
	s.Ready = nil
	parent := start(t, s)
	<-parent.Done()
	expectNobody(t, addr)
	log, err := os.ReadFile(parent.Log())
	if err != nil || !strings.Contains(string(log), "panic: help") {
		t.Errorf("the parent had no child when it ended: %s, %v", log, err)
	}
}

func connect(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// expectEnd waits until the other side of a connection is gone.
func expectEnd(t *testing.T, conn net.Conn) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the child lives: %v", err)
	}
}

// expectNobody waits until nothing listens on an address.
func expectNobody(t *testing.T, addr string) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return
		}
		_ = conn.Close()
	}
	t.Errorf("somebody still listens on %s", addr)
}
