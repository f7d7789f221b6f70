package cli

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"text/template"

	"github.com/spf13/cobra"

	"github.com/mallee-io/mallee/internal/generate"
)

// project is the template of a new project; the names of its files end in .txt
// so that the go command leaves them alone here.
//
//go:embed project
var project embed.FS

const modulePath = "github.com/mallee-io/mallee"

func newCommand() *cobra.Command {
	var module, replace string
	c := &cobra.Command{
		Use:   "new NAME",
		Short: "Write a project with an actor that builds, runs and tests at once",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return &usageError{errors.New("give the new project one name: mallee new NAME")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if module == "" {
				module = filepath.Base(args[0])
			}
			if replace == "" && version() == unreleased {
				replace = checkout(cmd.Context())
			}
			if err := writeProject(args[0], module, replace); err != nil {
				return err
			}
			if err := finishProject(cmd.Context(), args[0]); err != nil {
				return fmt.Errorf("%s is written but not complete; run go mod tidy and go generate there: %w", args[0], err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is ready:\n\n  cd %s\n  go test ./...\n  go run .\n", args[0], args[0])
			return nil
		},
	}
	c.Flags().StringVar(&module, "module", "", "module path (default: the name)")
	c.Flags().StringVar(&replace, "replace", "", "use mallee from this directory instead of a released version")
	return c
}

var validModule = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._~/-]*$`)

func writeProject(dir, module, replace string) error {
	if !validModule.MatchString(module) {
		return &usageError{fmt.Errorf("%q cannot be a module path; give one with --module", module)}
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return fmt.Errorf("%s is there already and not empty; choose another name", dir)
	}
	if replace != "" {
		absolute, err := filepath.Abs(replace)
		if err != nil {
			return err
		}
		replace = absolute
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	values := map[string]string{"Module": module, "Version": version(), "Replace": replace, "Mallee": modulePath}
	files, err := project.ReadDir("project")
	if err != nil {
		return err
	}
	for _, f := range files {
		t, err := template.ParseFS(project, "project/"+f.Name())
		if err != nil {
			return err
		}
		var content strings.Builder
		if err := t.Execute(&content, values); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, strings.TrimSuffix(f.Name(), ".txt")), []byte(content.String()), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// finishProject resolves the modules, which may have to be fetched, and
// generates the references.
func finishProject(ctx context.Context, dir string) error {
	tidy := exec.CommandContext(ctx, "go", "mod", "tidy")
	tidy.Dir = dir
	if out, err := tidy.CombinedOutput(); err != nil {
		return fmt.Errorf("go mod tidy failed: %w\n%s", err, out)
	}
	_, err := generate.Run(ctx, generate.Config{Dir: dir})
	return err
}

// checkout is the directory of mallee's source in the working directory's
// module graph, for a command that runs from there; empty elsewhere.
func checkout(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", modulePath).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// unreleased is the version of a binary that was built from a checkout.
const unreleased = "v0.0.0"

// version is that of this binary, as a module.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Path == modulePath && strings.HasPrefix(info.Main.Version, "v") {
		return info.Main.Version
	}
	return unreleased
}
