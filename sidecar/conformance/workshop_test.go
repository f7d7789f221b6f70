package conformance_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mallee-io/mallee/internal/procs"
)

// workshop is where one user function is built and started.
type workshop struct {
	*testing.T
	library library
	dir     string // of the function, in the cache
}

// newWorkshop skips the test where a program is missing.
func newWorkshop(t *testing.T, l library) *workshop {
	w := &workshop{T: t, library: l}
	for _, program := range l.needs {
		if _, err := exec.LookPath(program); err != nil {
			w.skip("%s is not installed", program)
		}
	}
	cache := os.Getenv("MALLEE_TEST_CONFORMANCE_DIR")
	if cache == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			t.Fatalf("%v; set MALLEE_TEST_CONFORMANCE_DIR", err)
		}
		cache = filepath.Join(dir, "mallee-conformance")
	}
	w.dir = filepath.Join(cache, strings.ReplaceAll(l.name, " ", "-"))
	if err := os.MkdirAll(w.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return w
}

// skip ends the test of the library, and prints why.
func (w *workshop) skip(format string, args ...any) {
	w.Helper()
	say(w.library.name, "skipped: "+format, args...)
	w.Skipf(format, args...)
}

// copy copies a file or a directory.
func (w *workshop) copy(from, to string) {
	w.Helper()
	err := filepath.WalkDir(from, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		below, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		return copyFile(path, filepath.Join(to, below))
	})
	if err != nil {
		w.Fatal(err)
	}
}

// copyFile leaves a file alone that is what it should be: build tools look at
// its age.
func copyFile(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if was, err := os.ReadFile(to); err == nil && bytes.Equal(was, content) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, content, 0o644)
}

// fetch runs a program that needs the network, in a directory. The test is
// skipped where it fails.
func (w *workshop) fetch(dir string, args ...string) (printed string) {
	w.Helper()
	out, why := w.execute(dir, args)
	if why != "" {
		w.Log(why)
		first, _, _ := strings.Cut(why, "\n")
		w.skip("it cannot be fetched: %s", first)
	}
	return out
}

// run runs a program that must succeed, in a directory.
func (w *workshop) run(dir string, args ...string) (printed string) {
	w.Helper()
	out, why := w.execute(dir, args)
	if why != "" {
		w.Fatal(why)
	}
	return out
}

// patience bounds what is fetched and built.
const patience = 20 * time.Minute

// execute returns what a program has printed and, where it has failed, why.
func (w *workshop) execute(dir string, args []string) (printed, why string) {
	ctx, cancel := context.WithTimeout(w.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = dir
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		all := strings.ReplaceAll(complaint.String()+out.String(), "\x1b[0m", "") // of Maven, even without colors
		return "", fmt.Sprintf("%s: %v: %s", strings.Join(args, " "), err, strings.TrimSpace(all))
	}
	return out.String(), ""
}

// start starts the user function, waits until it listens, and returns its
// address. It ends with the test; what it prints is in function.log.
func (w *workshop) start(args, env []string) (addr string) {
	w.Helper()
	addrs, err := procs.FreeAddrs(1)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(w.startAt(addrs[0], args, env))
	return addrs[0]
}

// startAt starts the user function at an address; stop ends it, and must be
// called.
func (w *workshop) startAt(addr string, args, env []string) (stop func()) {
	w.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		w.Fatal(err)
	}
	log, err := os.OpenFile(filepath.Join(w.dir, "function.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		w.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- procs.Attached{
			Args: args, Env: append([]string{"HOST=" + host, "PORT=" + port}, env...),
			Out: log, Err: log, Patience: 5 * time.Second,
		}.Run(ctx)
	}()
	stop = func() {
		cancel()
		if err := errors.Join(<-ended, log.Close()); err != nil {
			w.Errorf("%v; see %s", err, log.Name())
		}
	}
	if err := listens(addr, ended); err != nil {
		stop()
		w.Fatalf("%v; see %s", err, log.Name())
	}
	return stop
}

// listens waits until something listens at the address. An error of the process
// goes back to the channel.
func listens(addr string, ended chan error) error {
	again := time.NewTicker(100 * time.Millisecond)
	defer again.Stop()
	tooLong := time.After(2 * time.Minute)
	for {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			return conn.Close()
		}
		select {
		case err := <-ended:
			ended <- nil
			return err
		case <-tooLong:
			return err
		case <-again.C:
		}
	}
}
