package cli

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mallee-io/mallee/internal/generate"
)

func generateCommand() *cobra.Command {
	var check bool
	c := &cobra.Command{
		Use:   "generate [packages]",
		Short: "Write the references and call values of actor interfaces",
		Long: `Write the references and call values of the Go interfaces that are marked
//mallee:actor, one file PACKAGE_mallee.go for each package (default: the one in
the working directory). Put this line above one of them and run go generate:

	//go:generate go run github.com/mallee-io/mallee/cmd/mallee generate`,
		RunE: func(cmd *cobra.Command, args []string) error {
			files, err := generate.Run(cmd.Context(), generate.Config{Patterns: args, Check: check})
			if err != nil {
				return err
			}
			stale := 0
			for _, f := range files {
				if !f.Changed {
					continue
				}
				stale++
				fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", filepath.Base(f.Path), describe(f))
			}
			if check && stale > 0 {
				return fmt.Errorf("%d generated files are not up to date; run mallee generate", stale)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&check, "check", false, "write nothing, and fail when a file is not up to date")
	return c
}

func describe(f generate.File) string {
	if len(f.Actors) == 0 {
		return "removed"
	}
	return strings.Join(f.Actors, ", ")
}
