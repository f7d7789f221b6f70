package cli

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mallee-io/mallee/internal/gen/placementpb"
)

func settingsCommand() *cobra.Command {
	o := clusterOptions{}
	c := &cobra.Command{
		Use:     "settings [NAME=VALUE…]",
		Short:   "Show or change the settings of a cluster",
		Example: "  mallee settings\n  mallee settings rebalance=off",
		RunE: func(cmd *cobra.Command, args []string) error {
			set := make(map[string]string)
			for _, arg := range args {
				name, value, ok := strings.Cut(arg, "=")
				if !ok {
					return &usageError{fmt.Errorf("%q is not NAME=VALUE", arg)}
				}
				set[name] = value
			}
			var all map[string]string
			err := o.ask(cmd.Context(), func(ctx context.Context, admin placementpb.AdminClient) error {
				r, err := admin.Settings(ctx, &placementpb.SettingsRequest{Set: set})
				all = r.GetSettings()
				return err
			})
			if err != nil {
				return err
			}
			return o.print(cmd.OutOrStdout(), all, func(table io.Writer) {
				for _, name := range slices.Sorted(maps.Keys(all)) {
					fmt.Fprintf(table, "%s\t%s\n", name, all[name])
				}
			})
		},
	}
	o.flags(c, askTimeout)
	return c
}
