// Package postgrestest runs a PostgreSQL server of its own for tests and
// benchmarks. It needs the server's programs on this machine, as Debian's
// package postgresql installs them, and no others.
package postgrestest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// ErrNotInstalled is the error of New where there is no PostgreSQL.
var ErrNotInstalled = errors.New("PostgreSQL is not installed: initdb and postgres are neither in PATH nor in /usr/lib/postgresql")

const (
	role      = "mallee"
	password  = "correct:horse/battery"
	startTime = time.Minute // and for initdb as much
	stopTime  = 30 * time.Second
)

// Server is a PostgreSQL server with an empty database in a temporary
// directory. It listens on a socket in there, so it is in nobody's way. Its
// methods are not safe for concurrent use, but for URL.
type Server struct {
	dir, programs string
	owner         *syscall.SysProcAttr
	postgres      *exec.Cmd
	guard         *guard
	exited        chan struct{} // closed when postgres has ended
}

// Start starts a server for a test, and ends it with the test. Where there is
// none it skips the test.
func Start(t testing.TB) *Server {
	t.Helper()
	s, err := New()
	if errors.Is(err, ErrNotInstalled) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// New starts a server. Its caller closes it.
func New() (*Server, error) {
	programs, err := findPrograms()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "mallee-pg-") // short: a socket's path is
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir, programs: programs}
	if err = s.initialise(); err == nil {
		err = s.Start()
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func findPrograms() (dir string, err error) {
	installed, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return "", err
	}
	for _, dir := range slices.Backward(installed) {
		if _, err := exec.LookPath(filepath.Join(dir, "initdb")); err == nil {
			return dir, nil
		}
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path), nil
	}
	return "", ErrNotInstalled
}

// initialise makes the directory of the database. PostgreSQL does not run as
// root.
func (s *Server) initialise() error {
	var err error
	if s.owner, err = unprivileged(s.dir); err != nil {
		return err
	}
	secret := filepath.Join(s.dir, "password")
	if err := os.WriteFile(secret, []byte(password), 0o644); err != nil {
		return err
	}
	initdb := s.command("initdb", "--pgdata", s.data(), "--username", role, "--pwfile", secret,
		"--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync")
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	return nil
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

func (s *Server) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.programs, program), args...)
	cmd.SysProcAttr = s.owner
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	return cmd
}

// URL is the address of the server's database, with a user who may do all.
func (s *Server) URL() string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(role, password), Path: "/postgres", RawQuery: url.Values{"host": {s.dir}}.Encode()}
	return u.String()
}

// Start starts the server again after Stop or Kill, and returns when it takes
// connections.
func (s *Server) Start() error {
	cmd := s.command("postgres", "-D", s.data(), "-k", s.dir, "-c", "listen_addresses=")
	log, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	ready, exited := make(chan struct{}), make(chan struct{})
	var said strings.Builder // until it is ready
	go func() {
		defer close(exited)
		lines := bufio.NewScanner(log)
		for lines.Scan() {
			said.WriteString(lines.Text() + "\n")
			if strings.Contains(lines.Text(), "ready to accept connections") {
				close(ready)
				break
			}
		}
		_, _ = io.Copy(io.Discard, log)
		_ = cmd.Wait() // it tells of the signal that has ended it
	}()
	s.postgres, s.exited = cmd, exited
	if s.guard, err = newGuard(cmd.Process.Pid, s.dir); err != nil {
		return errors.Join(err, s.Kill())
	}
	select {
	case <-ready:
		return nil
	case <-exited:
		return fmt.Errorf("postgres has ended: %s", said.String())
	case <-time.After(startTime):
		return errors.Join(errors.New("postgres does not become ready"), s.Kill())
	}
}

// Stop ends the server as an administrator does who is in a hurry: connections
// are cut, what is in memory is written.
func (s *Server) Stop() error { return s.end(os.Interrupt) }

// Kill ends the server as a crash does.
func (s *Server) Kill() error { return s.end(syscall.SIGQUIT) }

// end may be called for a server that has ended.
func (s *Server) end(signal os.Signal) error {
	if s.postgres == nil {
		return nil
	}
	if s.guard != nil {
		s.guard.dismiss()
		s.guard = nil
	}
	if err := s.postgres.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-s.exited:
		s.postgres = nil
		return nil
	case <-time.After(stopTime):
		return errors.Join(errors.New("postgres does not end"), s.postgres.Process.Kill())
	}
}

// Close ends the server and removes its files.
func (s *Server) Close() error {
	return errors.Join(s.Kill(), os.RemoveAll(s.dir))
}
