package generate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

// loaded is a package whose types are known, as far as they can be without
// the generated file.
type loaded struct {
	*packages.Package
	output string   // path of its generated file
	stale  []string // other generated files of its folder: the package had another name
	base   string   // paths in messages are relative to it

	services *services // of its protos; nil: it has none
}

const loadMode = packages.NeedName | packages.NeedFiles | packages.NeedCompiledGoFiles | packages.NeedSyntax |
	packages.NeedTypes | packages.NeedTypesInfo | packages.NeedImports | packages.NeedDeps | packages.NeedModule

// load type-checks the packages. What the generated file declares is missing
// then, so errors in code that uses it do not count: an actor interface that
// depends on a broken type is refused later.
func load(ctx context.Context, c Config) ([]*loaded, error) {
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return nil, err
	}
	patterns := c.Patterns
	if len(patterns) == 0 {
		patterns = []string{"."}
	}
	config := &packages.Config{Context: ctx, Dir: dir, Mode: packages.NeedName | packages.NeedFiles}
	found, err := packages.Load(config, patterns...)
	if err != nil {
		return nil, fmt.Errorf("load packages: %w", err)
	}
	// Errors of this first look may come from a broken generated file.
	overlay := make(map[string][]byte)
	for _, p := range found {
		for _, file := range generatedFiles(p.Dir) {
			overlay[file] = blank(file)
		}
	}
	services, err := loadServices(ctx, c, dir, found)
	if err != nil {
		return nil, err
	}
	isAsked := make(map[string]bool)
	for _, p := range found {
		isAsked[p.PkgPath] = true
	}
	for _, s := range services {
		patterns = append(patterns, s.messagePackages()...)
	}
	config.Mode, config.Overlay = loadMode, overlay
	if found, err = packages.Load(config, patterns...); err != nil {
		return nil, fmt.Errorf("load packages: %w", err)
	}
	byPath := make(map[string]*packages.Package)
	packages.Visit(found, nil, func(p *packages.Package) { byPath[p.PkgPath] = p })
	var all []*loaded
	var problems Problems
	for _, p := range found {
		if !isAsked[p.PkgPath] {
			continue // it has messages of a service
		}
		problems = append(problems, syntaxErrors(dir, p)...)
		if len(p.GoFiles) == 0 {
			continue
		}
		output := filepath.Join(p.Dir, p.Name+suffix)
		all = append(all, &loaded{
			Package: p, base: dir, output: output,
			stale:    slices.DeleteFunc(generatedFiles(p.Dir), func(file string) bool { return file == output }),
			services: services[p.Dir].in(byPath),
		})
	}
	if len(problems) > 0 {
		return nil, problems
	}
	if len(all) == 0 {
		return nil, errors.New("no Go packages match " + strings.Join(patterns, " "))
	}
	return all, nil
}

// syntaxErrors are those that leave a package unread: of a pattern that matches
// nothing, and the first one of each file, since the others mostly follow.
func syntaxErrors(dir string, p *packages.Package) (problems Problems) {
	seen := make(map[string]bool)
	for _, e := range p.Errors {
		file, _, _ := strings.Cut(e.Pos, ":")
		switch {
		case e.Kind == packages.ListError && (len(p.GoFiles) == 0 || e.Pos == "" || e.Pos == "-"):
			problems = append(problems, e.Msg)
		case e.Kind == packages.ParseError && !seen[file]:
			seen[file] = true
			problems = append(problems, relative(dir, e.Pos)+": "+e.Msg)
		}
	}
	return problems
}

// generatedFiles of a folder, in order.
func generatedFiles(dir string) (files []string) {
	if dir == "" {
		return nil
	}
	matches, _ := filepath.Glob(filepath.Join(escapeGlob(dir), "*"+suffix)) // its only error is a bad pattern
	for _, file := range matches {
		if content, err := os.ReadFile(file); err == nil && isGenerated(content) {
			files = append(files, file)
		}
	}
	return files
}

func escapeGlob(path string) string {
	if filepath.Separator == '\\' {
		return path // where a backslash separates, nothing can be escaped
	}
	return strings.NewReplacer("*", `\*`, "?", `\?`, "[", `\[`, `\`, `\\`).Replace(path)
}

// isGenerated reports whether a file begins with the header, whatever its line
// ends have been turned into.
func isGenerated(content []byte) bool {
	line, _, _ := bytes.Cut(content, []byte("\n"))
	return string(bytes.TrimSuffix(line, []byte("\r"))) == strings.TrimSpace(header)
}

// blank is a generated file without its declarations, so that a stale or
// broken one does not stand in the way of its successor.
func blank(file string) []byte {
	return []byte(header + "\npackage " + packageName(filepath.Dir(file), strings.TrimSuffix(filepath.Base(file), suffix)) + "\n")
}

// packageName is what the hand-written files of a folder call their package.
func packageName(dir, otherwise string) string {
	entries, _ := os.ReadDir(dir) // a folder that cannot be read has no other files
	for _, entry := range entries {
		name := entry.Name()
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || strings.HasSuffix(name, suffix) {
			continue
		}
		if match, err := build.Default.MatchFile(dir, name); err != nil || !match {
			continue
		}
		if file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, name), nil, parser.PackageClauseOnly); err == nil {
			return file.Name.Name
		}
	}
	return otherwise
}

func relative(base, path string) string {
	return strings.TrimPrefix(path, base+string(filepath.Separator))
}

// typeSpecs calls fn for each type declaration of the package, with the
// comments above it.
func typeSpecs(p *packages.Package, fn func(spec *ast.TypeSpec, doc *ast.CommentGroup)) {
	for _, file := range p.Syntax {
		for _, decl := range file.Decls {
			group, ok := decl.(*ast.GenDecl)
			if !ok || group.Tok != token.TYPE {
				continue
			}
			for _, s := range group.Specs {
				spec := s.(*ast.TypeSpec)
				doc := spec.Doc
				if doc == nil && !group.Lparen.IsValid() {
					doc = group.Doc
				}
				fn(spec, doc)
			}
		}
	}
}
