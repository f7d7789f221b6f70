package generate

import (
	"bytes"
	"go/ast"
	"go/build"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

const directivePrefix = "//mallee:"

// Directives by where they may stand.
var (
	typeDirectives   = []string{"actor", "immutable"}
	methodDirectives = []string{"oneway", "readonly", "immutable"}
)

// almostDirective is a directive that the space makes a mere comment.
var almostDirective = regexp.MustCompile(`^//[ \t]+mallee:(actor|oneway|readonly|immutable)([ \t]+name=\S+)?[ \t]*$`)

// directive is the name and the options of a comment that is one.
func directive(c *ast.Comment) (name, options string, ok bool) {
	text, ok := strings.CutPrefix(c.Text, directivePrefix)
	name, options, _ = strings.Cut(strings.TrimSpace(text), " ")
	return name, strings.TrimSpace(options), ok
}

// directives above a declaration: their options by their names.
func directives(doc *ast.CommentGroup) map[string]string {
	found := make(map[string]string)
	if doc == nil {
		return found
	}
	for _, c := range doc.List {
		if name, options, ok := directive(c); ok {
			found[name] = options
		}
	}
	return found
}

// checkDirectives refuses directives that are unknown, or that stand where
// they would mean nothing: nobody would notice until a call is not one-way.
func (m *model) checkDirectives() {
	placed := make(map[*ast.Comment]bool)
	check := func(doc *ast.CommentGroup, known []string) {
		if doc == nil {
			return
		}
		for _, c := range doc.List {
			placed[c] = true
			if name, _, ok := directive(c); ok && !slices.Contains(known, name) {
				m.refuse(c.Pos(), "//mallee:%s is not a directive here; use one of //mallee:%s", name, strings.Join(known, ", //mallee:"))
			}
		}
	}
	typeSpecs(m.pkg.Package, func(spec *ast.TypeSpec, doc *ast.CommentGroup) {
		check(doc, typeDirectives)
		forMethods(spec, func(_ *ast.Ident, doc *ast.CommentGroup) { check(doc, methodDirectives) })
	})
	for _, file := range m.pkg.Syntax {
		for _, group := range file.Comments {
			for _, c := range group.List {
				m.checkComment(c, placed[c])
			}
		}
	}
}

func (m *model) checkComment(c *ast.Comment, placed bool) {
	switch {
	case almostDirective.MatchString(c.Text):
		m.refuse(c.Pos(), "%q is a comment like any other because of its space; write //%s", c.Text, strings.TrimSpace(c.Text[2:]))
	case !placed && strings.HasPrefix(c.Text, directivePrefix):
		m.refuse(c.Pos(), "%s does not stand directly above a type or a method of an interface, so it would do nothing; move it there", c.Text)
	}
}

// forMethods calls fn for the methods that an interface declares itself.
func forMethods(spec *ast.TypeSpec, fn func(name *ast.Ident, doc *ast.CommentGroup)) {
	syntax, ok := spec.Type.(*ast.InterfaceType)
	if !ok {
		return
	}
	for _, field := range syntax.Methods.List {
		for _, name := range field.Names {
			fn(name, field.Doc)
		}
	}
}

// readDependencies notes what the types of all packages that this one can see
// are marked with, and what stands above the methods of their interfaces.
func (m *model) readDependencies() {
	packages.Visit([]*packages.Package{m.pkg.Package}, nil, func(p *packages.Package) {
		if p.Types == nil {
			return
		}
		typeSpecs(p, func(spec *ast.TypeSpec, doc *ast.CommentGroup) {
			if _, ok := directives(doc)["immutable"]; ok {
				m.immutable[p.Types.Scope().Lookup(spec.Name.Name)] = true
			}
			forMethods(spec, func(name *ast.Ident, doc *ast.CommentGroup) { m.methodDocs[name.Pos()] = doc })
		})
	})
}

// readOtherFiles looks at the files that are not part of the package as it is
// built here: tests, whose names generated code must not take, and files for
// other systems. A directive there would be passed over.
func (m *model) readOtherFiles() {
	entries, _ := os.ReadDir(m.pkg.Dir) // go list has just read it
	for _, entry := range entries {
		path := filepath.Join(m.pkg.Dir, entry.Name())
		test := strings.HasSuffix(path, "_test.go")
		if !test && !slices.Contains(m.pkg.IgnoredFiles, path) {
			continue
		}
		content, err := os.ReadFile(path)
		if err != nil || !test && !bytes.Contains(content, []byte(directivePrefix)) {
			continue
		}
		file, err := parser.ParseFile(m.pkg.Fset, path, content, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			continue // it is not built here; whoever builds it will see
		}
		if test && file.Name.Name == m.pkg.Name {
			m.noteNames(file)
		}
		for _, group := range file.Comments {
			for _, c := range group.List {
				if !strings.HasPrefix(c.Text, directivePrefix) {
					continue
				}
				if test {
					m.refuse(c.Pos(), "%s stands in a test, and what is generated for it would be part of the program; move the type to a file that is no test", c.Text)
				} else {
					m.refuse(c.Pos(), "%s stands in a file that is not built here; move the type to a file without build constraints", c.Text)
				}
			}
		}
	}
}

func (m *model) noteNames(file *ast.File) {
	for _, decl := range file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil {
				m.testNames[d.Name.Name] = d.Pos()
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch s := spec.(type) {
				case *ast.TypeSpec:
					m.testNames[s.Name.Name] = s.Pos()
				case *ast.ValueSpec:
					for _, name := range s.Names {
						m.testNames[name.Name] = name.Pos()
					}
				}
			}
		}
	}
}

// declared is where the package, or a test in it, declares a name.
func (m *model) declared(name string) (token.Pos, bool) {
	if object := m.pkg.Types.Scope().Lookup(name); object != nil {
		return object.Pos(), true
	}
	pos, ok := m.testNames[name]
	return pos, ok
}

// conditional says on what it depends whether a file is built: the generated
// file, which always is, would miss the interface.
func conditional(path string) string {
	none := build.Default
	none.GOOS, none.GOARCH = "none", "none"
	if match, err := none.MatchFile(filepath.Split(path)); err == nil && !match {
		return "its system"
	}
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly|parser.ParseComments)
	if err != nil {
		return ""
	}
	for _, group := range file.Comments {
		for _, c := range group.List {
			if c.Pos() < file.Package && constraint.IsGoBuild(c.Text) {
				return "a build constraint"
			}
		}
	}
	for _, imported := range file.Imports {
		if imported.Path.Value == `"C"` {
			return "cgo"
		}
	}
	return ""
}

// isCType knows what cgo makes of a type of C.
func isCType(object types.Object) bool { return strings.HasPrefix(object.Name(), "_Ctype_") }
