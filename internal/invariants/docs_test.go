package invariants_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// hop is a place in the code, as docs/hot-path.md names it: `file.go` `symbol`.
var hop = regexp.MustCompile("`([a-z0-9_/]+\\.go)` `([^`]+)`")

// file is any file of code that the document names.
var file = regexp.MustCompile("`[^`\\s]+\\.go`")

func TestHotPathNamesWhatExists(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile("../../docs/hot-path.md")
	if err != nil {
		t.Fatal(err)
	}
	hops := hop.FindAllStringSubmatch(string(document), -1)
	if len(hops) < 10 {
		t.Fatalf("the document names %d hops", len(hops))
	}
	if files := file.FindAllString(string(document), -1); len(files) != len(hops) {
		t.Errorf("the document names %d files, but only %d with a symbol after them, on one line", len(files), len(hops))
	}
	for _, h := range hops {
		symbols := declared(t, h[1])
		if !symbols[h[2]] {
			t.Errorf("%s does not declare %s", h[1], h[2])
		}
	}
}

// declared lists what a file declares: Func, (*Type).Method, Type.Method, Type.
func declared(t *testing.T, file string) map[string]bool {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join("../..", file), nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]bool)
	for _, d := range parsed.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			found[receiver(d)+d.Name.Name] = true
		case *ast.GenDecl:
			for _, s := range d.Specs {
				if spec, ok := s.(*ast.TypeSpec); ok {
					found[spec.Name.Name] = true
				}
			}
		}
	}
	return found
}

// receiver is what stands before a method's name. Type parameters are left
// out: a method of State[T] is (*State).Save.
func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return ""
	}
	of := d.Recv.List[0].Type
	if pointer, ok := of.(*ast.StarExpr); ok {
		return "(*" + typeName(pointer.X) + ")."
	}
	return typeName(of) + "."
}

func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.IndexExpr:
		return typeName(e.X)
	case *ast.IndexListExpr:
		return typeName(e.X)
	case *ast.Ident:
		return e.Name
	}
	return "?"
}

// The root package is a vocabulary: few words.
func TestRootExportsFewNames(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../*.go")
	if err != nil {
		t.Fatal(err)
	}
	exported := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			exported += exportedIn(d)
		}
	}
	if exported > 110 {
		t.Errorf("the root package exports %d names, at most 110 are wanted", exported)
	}
}

func exportedIn(d ast.Decl) (n int) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil && d.Name.IsExported() {
			n++
		}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				if s.Name.IsExported() {
					n++
				}
			case *ast.ValueSpec:
				for _, name := range s.Names {
					if name.IsExported() {
						n++
					}
				}
			}
		}
	}
	return n
}
