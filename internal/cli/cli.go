// Package cli is the mallee command.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// Streams are what a command reads and writes.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// Run runs the command with its arguments and returns its exit status: 0 for
// success, 1 for a failure, 2 for a wrong command line.
func Run(ctx context.Context, args []string, s Streams) int {
	root := &cobra.Command{
		Use:           "mallee",
		Short:         "Virtual actors in Go: run, generate and inspect them",
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetArgs(args)
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return &usageError{fmt.Errorf("%w; see %s --help", err, c.CommandPath())}
	})
	root.AddCommand(demoCommand(), generateCommand(), newCommand(), storageCommand(),
		pdCommand(), gatewayCommand(), sidecarCommand(), devCommand(), configCommand(), statusCommand(), nodesCommand(), nodeCommand(), actorsCommand(), callCommand(), settingsCommand(),
		chaosCommand(), localNodeCommand())
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintln(s.Err, "mallee:", err)
	var usage *usageError
	if errors.As(err, &usage) {
		return 2
	}
	return 1
}

// usageError is a mistake on the command line.
type usageError struct{ error }

func (e *usageError) Unwrap() error { return e.error }
