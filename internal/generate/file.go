package generate

import (
	"bytes"
	"fmt"
	"go/format"
	"go/types"
	"slices"
	"strings"
)

const (
	malleePath = "github.com/mallee-io/mallee"
	wirePath   = "github.com/mallee-io/mallee/wire"
	protoPath  = "google.golang.org/protobuf/proto"
)

// fixedImports have the same name in every generated file.
var fixedImports = []string{"context", malleePath, wirePath}

// localNames are what generated functions call their own variables; a package
// of that name is imported under another one.
var localNames = []string{
	"actor", "c", "call", "create", "ctx", "d", "data", "e", "err", "failed", "fresh", "from", "fromKey", "i", "key",
	"n", "ok", "options", "r", "self", "target", "to", "v", "value", "b",
}

// file gives out the names of one generated file.
type file struct {
	m       *model
	imports map[string]string // path → name in this file
	taken   map[string]bool   // names of imports and of declarations
}

func newFile(m *model) *file {
	f := &file{m: m, imports: make(map[string]string), taken: make(map[string]bool)}
	for _, name := range slices.Concat(localNames, types.Universe.Names()) {
		f.taken[name] = true
	}
	return f
}

// unique is the name for a declaration or an import, with a number when the
// package or this file has another use for it, or for the name with one of the
// prefixes or endings.
func (f *file) unique(name string, spellings func(name string) []string) string {
	isTaken := func(name string) bool {
		_, declared := f.m.declared(name)
		return declared || f.taken[name]
	}
	found := name
	for n := 2; slices.ContainsFunc(spellings(found), isTaken); n++ {
		found = fmt.Sprint(name, n)
	}
	for _, spelling := range spellings(found) {
		f.taken[spelling] = true
	}
	return found
}

// use imports a package and gives the name that it has in this file.
func (f *file) use(path, name string) string {
	if known, ok := f.imports[path]; ok {
		return known
	}
	f.imports[path] = f.unique(name, func(name string) []string { return []string{name} })
	return f.imports[path]
}

// show is the type as this file writes it.
func (f *file) show(t types.Type) string {
	return types.TypeString(t, func(p *types.Package) string {
		if p == f.m.pkg.Types {
			return ""
		}
		return f.use(p.Path(), p.Name())
	})
}

const preamble = header + `%s
package %s

import (
%s
%s)

// If the compiler stops here, this file is from another version of mallee than
// the one in go.mod: run go generate again.
const _ = mallee.GeneratedVersion1

%s`

// source is the whole file around its declarations.
func (f *file) source(declarations []byte) ([]byte, error) {
	var std, others []string
	for path, name := range f.imports {
		line := fmt.Sprintf("%q\n", path)
		if name != path[strings.LastIndex(path, "/")+1:] {
			line = name + " " + line
		}
		if first, _, _ := strings.Cut(path, "/"); strings.Contains(first, ".") {
			others = append(others, line)
		} else {
			std = append(std, line)
		}
	}
	slices.Sort(std) // gofmt sorts by path, but keeps the order of equal ones
	slices.Sort(others)
	var b bytes.Buffer
	pkg := f.m.pkg
	record := ""
	if pkg.services != nil {
		record = pkg.services.record(pkg.output)
	}
	fmt.Fprintf(&b, preamble, record, pkg.Name, strings.Join(std, ""), strings.Join(others, ""), declarations)
	source, err := format.Source(b.Bytes())
	if err != nil {
		return nil, fmt.Errorf("generated code does not parse, which is a defect of the generator: %w\n%s", err, b.Bytes())
	}
	return source, nil
}
