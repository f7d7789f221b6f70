package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// serveProgram is a peer that is another program: it is started, and is killed
// when standard input ends.
func serveProgram(ctx context.Context, command []string, in io.Reader, out io.Writer) error {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	fmt.Fprintln(out, cmd.Process.Pid)
	_, err := io.Copy(io.Discard, in)
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // says that it was killed
	return err
}
