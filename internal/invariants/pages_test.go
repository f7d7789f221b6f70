package invariants_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mallee-io/mallee/internal/cli"
)

// link is a link in Markdown: [text](target).
var link = regexp.MustCompile(`\]\(([^()\s]+)\)`)

// documents are the pages of the project, by their paths.
func documents(t *testing.T) map[string]string {
	t.Helper()
	found := make(map[string]string)
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || d.Name() == "node_modules" || d.Name() == ".git"):
			return fs.SkipDir
		case filepath.Ext(path) != ".md":
			return nil
		}
		text, err := os.ReadFile(path)
		found[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestLinksOfDocuments(t *testing.T) {
	t.Parallel()
	all := documents(t)
	for path, text := range all {
		for _, l := range link.FindAllStringSubmatch(text, -1) {
			target, anchor, _ := strings.Cut(l[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			at := path
			if target != "" {
				at = filepath.Join(filepath.Dir(path), target)
			}
			if _, err := os.Stat(at); err != nil {
				t.Errorf("%s links to %s: %v", path, l[1], err)
			} else if anchor != "" && !anchors(all[at])[anchor] {
				t.Errorf("%s links to %s: %s has no such heading", path, l[1], at)
			}
		}
	}
}

var (
	heading  = regexp.MustCompile(`(?m)^#+ (.+)$`)
	notShown = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// anchors are the names that GitHub gives to headings.
func anchors(text string) map[string]bool {
	names := make(map[string]bool)
	for _, h := range heading.FindAllStringSubmatch(text, -1) {
		name := notShown.ReplaceAllString(strings.ToLower(h[1]), "")
		names[strings.ReplaceAll(name, " ", "-")] = true
	}
	return names
}

var (
	block = regexp.MustCompile("(?ms)^ *```[a-z]*\n(.*?)^ *```")
	// command is a call of mallee at the begin of a line, up to the first word
	// that is in no command's name.
	command = regexp.MustCompile(`(?m)^ *(?:go run \./cmd/)?mallee ((?:[a-z]+ )*[a-z]+)`)
	flagged = regexp.MustCompile(`--[a-z-]+`)
)

// Each command that a page shows in a block of code must be one. A word too
// many, such as a name to drain, is an argument.
func TestCommandsOfDocuments(t *testing.T) {
	t.Parallel()
	help := make(map[string]string)
	for path, text := range documents(t) {
		for _, b := range block.FindAllStringSubmatch(text, -1) {
			for line := range strings.SplitSeq(strings.ReplaceAll(b[1], "\\\n", ""), "\n") {
				words := command.FindStringSubmatch(line)
				if words == nil {
					continue
				}
				if help[words[1]] == "" {
					help[words[1]] = helpOf(t, words[1])
				}
				line, _, _ = strings.Cut(line, " #")
				if wrong := compare(words[1], line, help[words[1]]); wrong != "" {
					t.Errorf("%s: %s: %s", path, strings.TrimSpace(line), wrong)
				}
			}
		}
	}
	if len(help) < 8 {
		t.Errorf("the pages show %d commands", len(help))
	}
}

func helpOf(t *testing.T, command string) string {
	t.Helper()
	var out strings.Builder
	cli.Run(t.Context(), append(strings.Fields(command), "--help"), cli.Streams{In: strings.NewReader(""), Out: &out, Err: &out})
	return out.String()
}

// compare says what is wrong with a line that calls a command.
func compare(command, line, help string) string {
	if !strings.Contains(help, "Usage:\n  mallee "+strings.Fields(command)[0]) {
		return "there is no such command"
	}
	if strings.Contains(help, "Available Commands:") && !strings.Contains(help, "Usage:\n  mallee "+command+" [") {
		return "the command has no such part"
	}
	for _, f := range flagged.FindAllString(line, -1) {
		if !strings.Contains(help, f+" ") {
			return "there is no flag " + f
		}
	}
	return ""
}

func TestCompare(t *testing.T) {
	t.Parallel()
	for line, wrong := range map[string]bool{
		"mallee node drain n": false, "mallee actors": false, "mallee pd --name a --json": false, "mallee status": false,
		"mallee node drains": true, "mallee statuses": true, "mallee pd --nam a": true,
	} {
		command := command.FindStringSubmatch(line)[1]
		if got := compare(command, line, helpOf(t, command)); (got != "") != wrong {
			t.Errorf("%s: %q", line, got)
		}
	}
}
