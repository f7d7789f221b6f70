package procs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"time"
)

// Spec says what to run.
type Spec struct {
	// Name is what people call the process.
	Name string
	// Args are its arguments, Env is added to the environment of this process.
	Args, Env []string
	// Path is the program. Defaults to that of this process.
	Path string
	// Dir is where Name.log keeps what it prints, one life after the other.
	Dir string
	// Ready is what Wait asks until it returns nil: then the process can be used.
	// It must return when ctx ends. Defaults to a process that is ready at once.
	Ready func(ctx context.Context, p *Process) error
	// Exited hears how the process has ended, before those who wait for that.
	// It must not block.
	Exited func(p *Process, err error)
}

// Process is a process that was started. Its methods are safe for concurrent
// use.
type Process struct {
	spec  Spec
	cmd   *exec.Cmd
	log   string
	begin int64         // of this life in the log
	asked atomic.Bool   // to end
	done  chan struct{} // closed when it has ended
	err   error         // of its end; to be read after done
}

// Start starts a process. Wait tells when it is ready.
func Start(spec Spec) (*Process, error) {
	p, err := launch(spec)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Name, err)
	}
	return p, nil
}

func launch(spec Spec) (*Process, error) {
	if spec.Path == "" {
		path, err := os.Executable()
		if err != nil {
			return nil, err
		}
		spec.Path = path
	}
	p := &Process{spec: spec, log: filepath.Join(spec.Dir, spec.Name+".log"), done: make(chan struct{})}
	log, err := os.OpenFile(p.log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }() // the child has its own
	if p.begin, err = log.Seek(0, io.SeekEnd); err != nil {
		return nil, err
	}
	p.cmd = exec.Command(spec.Path, spec.Args...)
	p.cmd.Env = append(append(os.Environ(), holdVariable+"=1"), spec.Env...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = ownGroup()
	if _, err := p.cmd.StdinPipe(); err != nil { // the lifeline, which Wait closes
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go p.watch()
	return p, nil
}

func (p *Process) watch() {
	p.err = p.cmd.Wait()
	if p.err == nil && !p.asked.Load() {
		p.err = errors.New("exit status 0, but nobody has asked it to end")
	}
	if p.spec.Exited != nil {
		p.spec.Exited(p, p.err)
	}
	close(p.done)
}

// askAgain is the pause between two questions whether a process is ready.
const askAgain = 50 * time.Millisecond

// Wait returns when the process is ready. Where it is not ready by the end of
// ctx, or ends before, Wait ends it and tells why.
func (p *Process) Wait(ctx context.Context) error {
	if err := p.becomeReady(ctx); err != nil {
		p.Kill()
		return fmt.Errorf("start %s: %w; the last line of %s: %s", p.spec.Name, err, p.log, lastLine(p.log))
	}
	return nil
}

func (p *Process) becomeReady(ctx context.Context) error {
	if p.spec.Ready == nil {
		return nil
	}
	again := time.NewTicker(askAgain)
	defer again.Stop()
	for {
		err := p.spec.Ready(ctx, p)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("it has ended: %w", p.err)
		case <-ctx.Done():
			return fmt.Errorf("it is not ready in time: %w", err)
		case <-again.C:
		}
	}
}

// Name is what people call the process.
func (p *Process) Name() string { return p.spec.Name }

// Pid is the number of the process. It means nothing once the process is gone.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Log is the file that keeps what the process prints.
func (p *Process) Log() string { return p.log }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Ended reports whether the process has ended.
func (p *Process) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Asked reports whether the process was told to end by Stop or Kill.
func (p *Process) Asked() bool { return p.asked.Load() }

// Kill ends the process as a crash would, also when it is paused, and returns
// when it is gone.
func (p *Process) Kill() {
	p.asked.Store(true)
	_ = p.cmd.Process.Kill() // it fails when the process is gone
	<-p.done
}

// Stop asks the process to end and returns when it is gone. When ctx ends
// before, Stop kills it.
func (p *Process) Stop(ctx context.Context) error {
	p.asked.Store(true)
	if err := interrupt(p.cmd.Process); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.Kill()
		return fmt.Errorf("stop %s: %w; it was killed", p.spec.Name, err)
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		p.Kill()
		return fmt.Errorf("stop %s: %w; it was killed", p.spec.Name, context.Cause(ctx))
	}
	if p.err != nil {
		return fmt.Errorf("stop %s: %w; the last line of %s: %s", p.spec.Name, p.err, p.log, lastLine(p.log))
	}
	return nil
}

// Pause keeps the process from running until Resume, where CanPause. It may
// still run for a moment when Pause returns.
func (p *Process) Pause() error { return p.wrap("pause", pause(p.cmd.Process)) }

// Resume lets a paused process run on.
func (p *Process) Resume() error { return p.wrap("resume", resume(p.cmd.Process)) }

func (p *Process) wrap(what string, err error) error {
	if err != nil {
		return fmt.Errorf("%s %s: %w", what, p.spec.Name, err)
	}
	return nil
}
