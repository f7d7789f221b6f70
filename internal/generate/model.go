package generate

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// model is what one package's generated file is made of.
type model struct {
	pkg    *loaded
	actors []*actor

	immutable  map[types.Object]bool           // types marked //mallee:immutable, here and in other packages
	methodDocs map[token.Pos]*ast.CommentGroup // of all interfaces, by the place of the method's name
	testNames  map[string]token.Pos            // what tests of the package declare
	checked    map[string]bool                 // structs whose fields have been looked at
	problems   []problem
}

type actor struct {
	name     string // of the Go interface
	wireName string // of the interface to other nodes
	doc      string
	methods  []*method
	pos      token.Pos

	service bool     // of a proto: the interface is generated too
	streams []string // rpcs of the service that are no methods
}

type method struct {
	name      string
	wireName  string // of the method to other nodes
	doc       string
	oneway    bool
	readonly  bool
	immutable bool // nothing is copied
	named     bool // its results have names
	variadic  bool
	args      []param
	results   []param
	fn        *types.Func
}

// param is an argument or a result. Its name is also its name in JSON.
type param struct {
	name  string
	field string // in the struct of arguments or results
	typ   types.Type
}

func readModel(p *loaded) (*model, Problems) {
	m := &model{
		pkg:        p,
		immutable:  make(map[types.Object]bool),
		methodDocs: make(map[token.Pos]*ast.CommentGroup),
		testNames:  make(map[string]token.Pos),
		checked:    make(map[string]bool),
	}
	m.checkDirectives()
	m.readDependencies()
	m.readOtherFiles()
	typeSpecs(p.Package, func(spec *ast.TypeSpec, doc *ast.CommentGroup) {
		if options, ok := directives(doc)["actor"]; ok {
			m.readActor(spec, doc, options)
		}
	})
	problems := m.readServices()
	slices.SortFunc(m.actors, func(a, b *actor) int { return strings.Compare(a.name, b.name) })
	m.checkNames()
	return m, append(m.sorted(), problems...)
}

func (m *model) readActor(spec *ast.TypeSpec, doc *ast.CommentGroup, options string) {
	name := spec.Name.Name
	_, ok := spec.Type.(*ast.InterfaceType)
	switch {
	case !ok:
		m.refuse(spec.Pos(), "//mallee:actor stands above %s, which is not declared as an interface; mark the interface that callers use", name)
		return
	case spec.TypeParams != nil:
		m.refuse(spec.Pos(), "actor interface %s has type parameters; make one interface for each type that you need", name)
		return
	case !ast.IsExported(name):
		m.refuse(spec.Pos(), "actor interface %s is not exported, so its references could not be; call it %s", name, capital(name))
		return
	}
	if reason := conditional(m.pkg.Fset.Position(spec.Pos()).Filename); reason != "" {
		m.refuse(spec.Pos(), "actor interface %s stands in a file that depends on %s, but what is generated is always built; move it to another file", name, reason)
		return
	}
	a := &actor{name: name, wireName: name, doc: strings.TrimSpace(doc.Text()), pos: spec.Pos()}
	if options != "" {
		wireName, ok := strings.CutPrefix(options, "name=")
		if !ok || wireName == "" || strings.ContainsAny(wireName, " /\t") {
			m.refuse(spec.Pos(), "//mallee:actor %s is not understood; the option is name=NAME, without slashes", options)
			return
		}
		a.wireName = wireName
	}
	iface, ok := m.pkg.TypesInfo.Defs[spec.Name].Type().Underlying().(*types.Interface)
	if !ok || !iface.IsMethodSet() {
		m.refuse(spec.Pos(), "actor interface %s has type constraints; an actor interface has only methods", name)
		return
	}
	for i := range iface.NumMethods() {
		if got := m.readMethod(a, iface.Method(i)); got != nil {
			a.methods = append(a.methods, got)
		}
	}
	m.sortMethods(spec, a.methods)
	m.actors = append(m.actors, a)
}

// sortMethods puts the methods that the interface declares itself first, then
// those that it embeds, each as they were written. Files are read side by side,
// so a token.Pos says nothing across them.
func (m *model) sortMethods(spec *ast.TypeSpec, methods []*method) {
	rank := func(x *method) int {
		switch at := x.fn.Pos(); {
		case spec.Pos() <= at && at < spec.End():
			return 0
		case x.fn.Pkg() == m.pkg.Types:
			return 1
		}
		return 2
	}
	slices.SortFunc(methods, func(a, b *method) int {
		atA, atB := m.pkg.Fset.Position(a.fn.Pos()), m.pkg.Fset.Position(b.fn.Pos())
		return cmp.Or(
			cmp.Compare(rank(a), rank(b)),
			strings.Compare(a.fn.Pkg().Path(), b.fn.Pkg().Path()),
			strings.Compare(filepath.Base(atA.Filename), filepath.Base(atB.Filename)),
			cmp.Compare(atA.Offset, atB.Offset),
		)
	})
}

func (m *model) readMethod(a *actor, fn *types.Func) *method {
	doc := m.methodDocs[fn.Origin().Pos()]
	marks := directives(doc)
	got := &method{name: fn.Name(), wireName: fn.Name(), doc: strings.TrimSpace(doc.Text()), fn: fn}
	_, got.oneway = marks["oneway"]
	_, got.readonly = marks["readonly"]
	_, got.immutable = marks["immutable"]
	signature := fn.Signature()
	got.variadic = signature.Variadic()
	if !m.checkSignature(a, fn, signature, got.oneway) {
		return nil
	}
	taken := make(map[string]bool)
	for _, tuple := range []*types.Tuple{signature.Params(), signature.Results()} {
		for v := range tuple.Variables() {
			taken[v.Name()] = true
		}
	}
	got.args = params(signature.Params(), 1, signature.Params().Len(), "arg", taken)
	got.results = params(signature.Results(), 0, signature.Results().Len()-1, "result", taken)
	for v := range signature.Results().Variables() {
		got.named = got.named || v.Name() != ""
	}
	return got
}

// params names the variables from..to of a tuple for Go and for JSON. Those
// that have no name get one that is not taken.
func params(tuple *types.Tuple, from, to int, unnamed string, taken map[string]bool) []param {
	var list []param
	fields := make(map[string]bool)
	for i := from; i < to; i++ {
		p := param{name: tuple.At(i).Name(), typ: tuple.At(i).Type()}
		if p.name == "" || p.name == "_" {
			p.name = unnamed
			if to-from > 1 {
				p.name = fmt.Sprint(unnamed, i-from+1)
			}
			p.name = free(taken, p.name)
			taken[p.name] = true
		}
		p.field = free(fields, capital(p.name))
		fields[p.field] = true
		list = append(list, p)
	}
	return list
}

// free is the name, or one like it that is not taken.
func free(taken map[string]bool, name string) string {
	for taken[name] {
		name += "_"
	}
	return name
}

// capital makes a name exported.
func capital(name string) string {
	first, size := utf8.DecodeRuneInString(name)
	if upper := unicode.ToUpper(first); unicode.IsUpper(upper) {
		return string(upper) + name[size:]
	}
	return "X" + name
}

func lower(name string) string {
	first, size := utf8.DecodeRuneInString(name)
	return string(unicode.ToLower(first)) + name[size:]
}
