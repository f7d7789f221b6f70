package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mallee-io/mallee/internal/config"
)

// completeTimeout bounds what a shell waits for when somebody presses TAB.
const completeTimeout = 2 * time.Second

// completions asks the cluster, and offers what of makes of the answer; nothing
// when there is none.
func (o *clusterOptions) completions(cmd *cobra.Command, of func(clusterView) []string) ([]string, cobra.ShellCompDirective) {
	o.timeout = min(o.timeout, completeTimeout)
	v, err := o.status(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return of(v), cobra.ShellCompDirectiveNoFileComp
}

// completeNode completes the one argument of a command.
func (o *clusterOptions) completeNode(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return o.completions(cmd, func(v clusterView) (all []string) {
		bearers := make(map[string]int)
		for _, n := range v.Nodes {
			bearers[n.Name]++
		}
		for _, n := range v.Nodes {
			name := n.Name
			if name == "" || bearers[name] > 1 {
				name = fmt.Sprint(n.ID)
			}
			all = append(all, cobra.CompletionWithDesc(name, fmt.Sprintf("node %d at %s, %s", n.ID, n.Addr, n.State)))
		}
		return all
	})
}

func (o *clusterOptions) completeType(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return o.completions(cmd, func(v clusterView) (all []string) {
		for _, n := range v.Nodes {
			all = append(all, n.Types...)
		}
		slices.Sort(all)
		return slices.Compact(all)
	})
}

// completeChoice completes a flag that takes one of a few words.
func completeChoice(c *cobra.Command, flag, setting string) {
	for _, s := range config.All() {
		if s.Name == setting {
			_ = c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(strings.Split(s.Kind(), ", "), cobra.ShellCompDirectiveNoFileComp))
		}
	}
}
