package generate

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
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
	output string // path of its generated file
	base   string // paths in messages are relative to it
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
	overlay := make(map[string][]byte)
	var problems Problems
	for _, p := range found {
		for _, file := range slices.Concat(p.GoFiles, p.IgnoredFiles) {
			if content, ok := blanked(file); ok {
				overlay[file] = content
			}
		}
		for _, e := range p.Errors {
			if e.Kind == packages.ListError || len(p.GoFiles) == 0 {
				problems = append(problems, e.Error())
			}
		}
	}
	if len(problems) > 0 {
		return nil, problems
	}
	config.Mode, config.Overlay = loadMode, overlay
	if found, err = packages.Load(config, patterns...); err != nil {
		return nil, fmt.Errorf("load packages: %w", err)
	}
	var all []*loaded
	for _, p := range found {
		if len(p.GoFiles) == 0 {
			continue
		}
		for _, e := range p.Errors {
			if e.Kind == packages.ParseError {
				problems = append(problems, relative(dir, e.Error()))
			}
		}
		folder := filepath.Dir(p.GoFiles[0])
		all = append(all, &loaded{Package: p, base: dir, output: filepath.Join(folder, p.Name+"_mallee.go")})
	}
	if len(problems) > 0 {
		return nil, problems
	}
	if len(all) == 0 {
		return nil, errors.New("no Go packages match " + strings.Join(patterns, " "))
	}
	return all, nil
}

// blanked is a generated file without its declarations, so that a stale or
// broken one does not stand in the way of its successor.
func blanked(file string) ([]byte, bool) {
	if !strings.HasSuffix(file, "_mallee.go") {
		return nil, false
	}
	content, err := os.ReadFile(file)
	if err != nil || !strings.HasPrefix(string(content), header) {
		return nil, false
	}
	name := strings.TrimSuffix(filepath.Base(file), "_mallee.go")
	return []byte(header + "\npackage " + name + "\n"), true
}

// at is a position as messages show it.
func (p *loaded) at(pos token.Pos) string {
	where := p.Fset.Position(pos)
	return fmt.Sprintf("%s:%d", relative(p.base, where.Filename), where.Line)
}

func relative(base, path string) string {
	return strings.TrimPrefix(path, base+string(filepath.Separator))
}

// typeSpecs calls fn for each type declaration of the package, with the
// comments above it.
func (p *loaded) typeSpecs(fn func(spec *ast.TypeSpec, doc *ast.CommentGroup)) {
	for _, file := range p.Syntax {
		for _, decl := range file.Decls {
			group, ok := decl.(*ast.GenDecl)
			if !ok || group.Tok != token.TYPE {
				continue
			}
			for _, s := range group.Specs {
				spec := s.(*ast.TypeSpec)
				doc := spec.Doc
				if doc == nil {
					doc = group.Doc
				}
				fn(spec, doc)
			}
		}
	}
}
