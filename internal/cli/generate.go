package cli

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mallee-io/mallee/internal/generate"
)

func generateCommand() *cobra.Command {
	var config generate.Config
	c := &cobra.Command{
		Use:   "generate [packages]",
		Short: "Write the references and call values of actor interfaces",
		Long: `Write the references and call values of the Go interfaces that are marked
//mallee:actor, one file PACKAGE_mallee.go for each package (default: the one in
the working directory). Put this line above one of them and run go generate:

	//go:generate go run github.com/mallee-io/mallee/cmd/mallee generate

With --proto the services of .proto files are actor interfaces too: of Go actors,
or of entities of user functions in any language. The package has the code of
protoc-gen-go for their messages, or imports it. What protobuf, google/api and
cloudstate have to import is built in. The generated file notes its protos, so
that later runs, such as that of all packages, need no --proto.`,
		Example: "  mallee generate ./...\n  mallee generate --proto shoppingcart.proto\n  mallee generate -I ../proto --proto shop/cart.proto --proto shop/stock.proto",
		RunE: func(cmd *cobra.Command, args []string) error {
			config.Patterns = args
			files, err := generate.Run(cmd.Context(), config)
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
			if config.Check && stale > 0 {
				return fmt.Errorf("%d generated files are not up to date; run mallee generate", stale)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&config.Check, "check", false, "write nothing, and fail when a file is not up to date")
	c.Flags().StringArrayVar(&config.Protos, "proto", nil, "a .proto `file` whose services become actor interfaces; may be repeated")
	c.Flags().StringArrayVarP(&config.ProtoPath, "proto-path", "I", nil, "`folder` that imports of --proto are relative to; may be repeated (default: the working directory)")
	return c
}

func describe(f generate.File) string {
	if len(f.Actors) == 0 {
		return "removed"
	}
	return strings.Join(f.Actors, ", ")
}
