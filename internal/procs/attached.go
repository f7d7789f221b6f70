package procs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// Attached is a program of somebody else that runs as a part of ours: it
// prints where we print.
type Attached struct {
	// Args are the program and its arguments, Env is added to the environment of
	// this process.
	Args, Env []string
	// Out and Err get what it prints.
	Out, Err io.Writer
	// Patience is how long it may take to end once it was asked to. Then it is
	// killed.
	Patience time.Duration
}

// Run runs the program until it ends or ctx does: then the program and what it
// has started are asked to end. The error says how the program has ended, and
// is nil when it was asked to.
func (a Attached) Run(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, a.Args[0], a.Args[1:]...)
	cmd.Env = append(os.Environ(), a.Env...)
	cmd.Stdout, cmd.Stderr = a.Out, a.Err
	cmd.SysProcAttr = ownGroup()
	cmd.Cancel = func() error { return interruptGroup(cmd.Process) }
	cmd.WaitDelay = a.Patience
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", a.Args[0], err)
	}
	err := cmd.Wait()
	killGroup(cmd.Process) // what it has left behind
	if ctx.Err() != nil {
		return nil
	}
	if err == nil {
		err = errors.New("exit status 0")
	}
	return fmt.Errorf("%s has ended: %w", a.Args[0], err)
}
