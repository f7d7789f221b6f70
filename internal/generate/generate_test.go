package generate_test

import (
	"errors"
	"flag"
	"go/build"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/mallee-io/mallee/internal/generate"
)

var update = flag.Bool("update", false, "write the golden files anew")

// headed reads the lines of a Go file's head that begin with a mark.
func headed(t *testing.T, file, mark string) []string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for line := range strings.SplitSeq(string(content), "\n") {
		if text, ok := strings.CutPrefix(line, "// "+mark+": "); ok {
			found = append(found, strings.NewReplacer(`\n`, "\n", `\t`, "\t").Replace(text))
		}
	}
	return found
}

// folders are the names of the folders in one.
func folders(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) == 0 {
		t.Fatalf("no test data: %v", err)
	}
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

// patterns name folders to the go command. One run for all of them loads what
// they import once.
func patterns(names []string) (list []string) {
	for _, name := range names {
		list = append(list, "./"+name)
	}
	return list
}

// golden is where the source of a package, headed by what its generated file
// must (WANT) and must not (NOT) have, lies beside that file.
const golden = "testdata/golden"

func TestGolden(t *testing.T) {
	t.Parallel()
	names := folders(t, golden)
	files, err := generate.Run(t.Context(), generate.Config{Dir: golden, Patterns: patterns(names), Check: !*update})
	if err != nil {
		t.Fatal(err)
	}
	byFolder := make(map[string]generate.File)
	for _, f := range files {
		byFolder[filepath.Base(filepath.Dir(f.Path))] = f
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file, ok := byFolder[name]
			if !ok || file.Changed && !*update {
				t.Fatalf("not up to date; look at the difference after: go test ./internal/generate -update\n%+v", file)
			}
			content, err := os.ReadFile(file.Path)
			if err != nil {
				t.Fatal(err)
			}
			source := filepath.Join(golden, name, name+".go")
			for _, want := range headed(t, source, "WANT") {
				// gofmt aligns fields, so spaces do not count.
				if !strings.Contains(squeeze(string(content)), squeeze(want)) {
					t.Errorf("%s does not have %q", file.Path, want)
				}
			}
			for _, not := range headed(t, source, "NOT") {
				if strings.Contains(squeeze(string(content)), squeeze(not)) {
					t.Errorf("%s has %q", file.Path, not)
				}
			}
		})
	}
}

// What is generated for odd names compiles too, and does not copy locks.
func TestGoldenFilesCompile(t *testing.T) {
	t.Parallel()
	if *update {
		t.Skip("the files are being written")
	}
	if out, err := exec.CommandContext(t.Context(), "go", "vet", "./"+golden+"/...").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func squeeze(text string) string { return strings.Join(strings.Fields(text), " ") }

// place begins each line of a refusal.
var place = regexp.MustCompile(`^[a-z_]+\.go:\d+: `)

func hasCgo() bool {
	_, err := exec.LookPath("cc")
	return err == nil && build.Default.CgoEnabled
}

// refused is where packages lie that are headed by their ERRORs, in the order
// of their places.
const refused = "testdata/errors"

func TestRefusals(t *testing.T) {
	t.Parallel()
	names := folders(t, refused)
	if !hasCgo() {
		names = slices.DeleteFunc(names, func(name string) bool { return name == "cgo" })
	}
	_, err := generate.Run(t.Context(), generate.Config{Dir: refused, Patterns: patterns(names)})
	var problems generate.Problems
	if !errors.As(err, &problems) {
		t.Fatalf("not refused: %v", err)
	}
	byFolder := make(map[string][]string)
	for _, line := range problems {
		folder, line, _ := strings.Cut(filepath.ToSlash(line), "/")
		byFolder[folder] = append(byFolder[folder], line)
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := headed(t, filepath.Join(refused, name, name+".go"), "ERROR")
			got := byFolder[name]
			if len(want) == 0 || len(got) != len(want) {
				t.Fatalf("refused with\n%s\nwant %d lines", strings.Join(got, "\n"), len(want))
			}
			for i, line := range got {
				if !strings.Contains(line, want[i]) {
					t.Errorf("line %d is\n%s\nwant\n%s", i+1, line, want[i])
				}
				if !place.MatchString(line) {
					t.Errorf("the line does not begin with its place: %s", line)
				}
			}
			if left, _ := filepath.Glob(filepath.Join(refused, name, "*_mallee.go")); left != nil {
				t.Errorf("something was written: %v", left)
			}
		})
	}
}

// project makes a package of this module for one test.
func project(t *testing.T, files map[string]string) string {
	t.Helper()
	dir, err := os.MkdirTemp("testdata", "run-") //nolint:usetesting // it has to be inside of this module
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const actorSource = `package m

import "context"

//mallee:actor
type A interface{ Do(ctx context.Context) error }

var _ = AOf // code that needs what is to be generated
`

func TestRunTwiceChangesNothingAndStaleFilesAreNoObstacle(t *testing.T) {
	t.Parallel()
	dir := project(t, map[string]string{"m.go": actorSource})
	run := func(wantChanged bool) string {
		t.Helper()
		files, err := generate.Run(t.Context(), generate.Config{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		if len(files) != 1 || files[0].Changed != wantChanged {
			t.Fatalf("files %+v, want changed %v", files, wantChanged)
		}
		content, err := os.ReadFile(files[0].Path)
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	first := run(true)
	if second := run(false); second != first {
		t.Error("the second run wrote something else")
	}
	const head = "// Code generated by mallee generate. DO NOT EDIT.\n"
	for name, broken := range map[string]string{
		"cut off":         first[:len(first)/2] + "}}}",
		"only its head":   head,
		"in a conflict":   head + "\npackage m\n\nimport (\n<<<<<<< HEAD\n\t\"fmt\"\n=======\n>>>>>>> other\n)\n",
		"missing package": head + "\npackage m\n\nimport \"example.com/gone\"\n\nvar _ = gone.X\n",
		"stale":           head + "\npackage m\n\nfunc (r ARef) Gone() {}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, "m_mallee.go"), []byte(broken), 0o644); err != nil {
			t.Fatal(err)
		}
		if again := run(true); again != first {
			t.Errorf("%s: it was not replaced by the same", name)
		}
	}
	// As git may check it out on Windows.
	if err := os.WriteFile(filepath.Join(dir, "m_mallee.go"), []byte(strings.ReplaceAll(first, "\n", "\r\n")), 0o644); err != nil {
		t.Fatal(err)
	}
	run(false)
}

// The package had another name when its file was written: Go finds two
// packages in one folder.
func TestFileOfARenamedPackageIsRemoved(t *testing.T) {
	t.Parallel()
	dir := project(t, map[string]string{
		"m.go":             actorSource,
		"before_mallee.go": "// Code generated by mallee generate. DO NOT EDIT.\n\npackage before\n",
	})
	files, err := generate.Run(t.Context(), generate.Config{Dir: dir})
	if err != nil || len(files) != 2 || len(files[0].Actors) != 0 || len(files[1].Actors) != 1 {
		t.Fatalf("%+v, %v", files, err)
	}
	left, _ := filepath.Glob(filepath.Join(dir, "*_mallee.go"))
	if len(left) != 1 || filepath.Base(left[0]) != "m_mallee.go" {
		t.Errorf("left are %v", left)
	}
}

// A program of several packages of which none has been generated yet.
func TestPackagesThatNeedEachOther(t *testing.T) {
	t.Parallel()
	dir := project(t, map[string]string{"m.go": actorSource})
	if err := os.Mkdir(filepath.Join(dir, "user"), 0o755); err != nil {
		t.Fatal(err)
	}
	source := `package user

import (
	"context"

	m "github.com/mallee-io/mallee/internal/generate/testdata/` + filepath.Base(dir) + `"
)

//mallee:actor
type User interface{ Use(ctx context.Context) error }

var _, _ = m.AOf, UserOf
`
	if err := os.WriteFile(filepath.Join(dir, "user", "user.go"), []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	files, err := generate.Run(t.Context(), generate.Config{Dir: dir, Patterns: []string{".", "./user"}})
	if err != nil || len(files) != 2 {
		t.Fatalf("%+v, %v", files, err)
	}
	if out, err := exec.CommandContext(t.Context(), "go", "vet", "./"+dir, "./"+dir+"/user").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestCheckWritesNothing(t *testing.T) {
	t.Parallel()
	dir := project(t, map[string]string{"m.go": actorSource})
	files, err := generate.Run(t.Context(), generate.Config{Dir: dir, Check: true})
	if err != nil || len(files) != 1 || !files[0].Changed {
		t.Fatalf("%+v, %v", files, err)
	}
	if _, err := os.Stat(files[0].Path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it was written: %v", err)
	}
}

func TestUnreadablePackages(t *testing.T) {
	t.Parallel()
	dir := project(t, map[string]string{"m.go": "package m\n\nfunc {\n\nfunc }\n"})
	_, err := generate.Run(t.Context(), generate.Config{Dir: dir})
	if err == nil || !strings.HasPrefix(err.Error(), "m.go:3:") || strings.Contains(err.Error(), "\n") {
		t.Errorf("syntax error: %v", err)
	}
	if _, err := generate.Run(t.Context(), generate.Config{Dir: dir, Patterns: []string{"./nowhere"}}); err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("missing folder: %v", err)
	}
}

func TestFileOfAPackageWithoutActorsIsRemoved(t *testing.T) {
	t.Parallel()
	dir := project(t, map[string]string{
		"m.go":        "package m\n",
		"m_mallee.go": "// Code generated by mallee generate. DO NOT EDIT.\n\npackage m\n",
	})
	files, err := generate.Run(t.Context(), generate.Config{Dir: dir})
	if err != nil || len(files) != 1 || len(files[0].Actors) != 0 {
		t.Fatalf("%+v, %v", files, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "m_mallee.go")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}

func TestHandwrittenFileIsNotReplaced(t *testing.T) {
	t.Parallel()
	dir := project(t, map[string]string{"m.go": actorSource, "m_mallee.go": "package m\n"})
	if _, err := generate.Run(t.Context(), generate.Config{Dir: dir}); err == nil || !strings.Contains(err.Error(), "is not a generated file") {
		t.Errorf("got %v", err)
	}
}
