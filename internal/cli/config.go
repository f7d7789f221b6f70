package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/mallee-io/mallee/internal/config"
)

func configCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "config",
		Short: "Print the settings that hold here, and where each came from",
		Long: `Print the settings that hold here, and where each of them came from: the file
(--config, MALLEE_CONFIG or else ./mallee.yaml), the environment (MALLEE_…) and
flags, the later the stronger.`,
		Args: arguments(0, 0),
	}
	load := configured(c, "", func(string) bool { return true })
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		settings, err := load()
		if err != nil {
			return err
		}
		if asJSON {
			return printJSON(cmd.OutOrStdout(), settings)
		}
		return printTable(cmd.OutOrStdout(), settings)
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print them as JSON")
	return c
}

// configured gives a command the flag --config and those of the settings that
// it uses; those of its section go without the section's name. The function
// that it returns reads the configuration once the flags are parsed.
func configured(c *cobra.Command, section string, uses func(name string) bool) func() (*config.Config, error) {
	return configuredFrom(c, section, uses, func(environ []string) ([]string, error) { return environ, nil })
}

// configuredFrom is configured for a command that reads the environment in a
// way of its own.
func configuredFrom(c *cobra.Command, section string, uses func(name string) bool, read func(environ []string) ([]string, error)) func() (*config.Config, error) {
	var file string
	c.Flags().StringVar(&file, "config", "", "file of settings (default: MALLEE_CONFIG, or "+config.DefaultFile+" if it is there)")
	names := make(map[string]string) // setting → flag
	for _, s := range config.All() {
		if !uses(s.Name) {
			continue
		}
		names[s.Name] = s.Flag(section)
		usage := s.Doc
		if s.Default != "" {
			usage += fmt.Sprintf(" (default %s)", s.Default)
		}
		c.Flags().String(s.Flag(section), "", usage)
	}
	return func() (*config.Config, error) {
		given := make(map[string]string)
		for name, flag := range names {
			if f := c.Flags().Lookup(flag); f.Changed {
				given[name] = f.Value.String()
			}
		}
		environ, err := read(os.Environ())
		if err != nil {
			return nil, err
		}
		settings, err := config.Load(config.Sources{File: file, Environ: environ, Flags: given, Section: section})
		if err != nil {
			return nil, &usageError{err}
		}
		return settings, nil
	}
}

// shown is what may be printed of a value.
func shown(v config.Value) string {
	if v.Secret {
		return redact(v.String())
	}
	return v.String()
}

func printTable(out io.Writer, c *config.Config) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SETTING\tVALUE\tFROM")
	for _, v := range c.Values {
		fmt.Fprintf(w, "%s\t%s\t%s\n", v.Name, cmp.Or(shown(v), "–"), v.Origin)
	}
	return w.Flush()
}

func printJSON(out io.Writer, c *config.Config) error {
	type setting struct {
		Name  string `json:"name"`
		Value string `json:"value"`
		From  string `json:"from"`
	}
	printed := struct {
		File     string    `json:"file,omitempty"`
		Settings []setting `json:"settings"`
	}{File: c.File}
	for _, v := range c.Values {
		printed.Settings = append(printed.Settings, setting{v.Name, shown(v), v.Origin})
	}
	return json.NewEncoder(out).Encode(printed)
}
