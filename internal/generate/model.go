package generate

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// model is what one package's generated file is made of.
type model struct {
	pkg       *loaded
	actors    []*actor
	immutable map[types.Object]bool // types marked //mallee:immutable
	problems  Problems
}

type actor struct {
	name     string // of the Go interface
	wireName string // of the interface to other nodes
	doc      string
	methods  []*method
	pos      token.Pos
}

type method struct {
	name      string
	doc       string
	oneway    bool
	readonly  bool
	immutable bool // nothing is copied
	named     bool // its results have names
	variadic  bool
	args      []param
	results   []param
	pos       token.Pos
}

type param struct {
	name  string // in the signature
	field string // in the generated struct
	json  string
	typ   types.Type
}

// directives above a declaration, by name.
func directives(doc *ast.CommentGroup) map[string]string {
	found := make(map[string]string)
	if doc == nil {
		return found
	}
	for _, c := range doc.List {
		if text, ok := strings.CutPrefix(c.Text, "//mallee:"); ok {
			name, value, _ := strings.Cut(strings.TrimSpace(text), " ")
			found[name] = strings.TrimSpace(value)
		}
	}
	return found
}

func readModel(p *loaded) (*model, Problems) {
	m := &model{pkg: p, immutable: make(map[types.Object]bool)}
	p.typeSpecs(func(spec *ast.TypeSpec, doc *ast.CommentGroup) {
		marks := directives(doc)
		m.known(spec.Pos(), marks, "actor", "immutable")
		if _, ok := marks["immutable"]; ok {
			m.immutable[p.TypesInfo.Defs[spec.Name]] = true
		}
		if value, ok := marks["actor"]; ok {
			m.readActor(spec, doc, value)
		}
	})
	slices.SortFunc(m.actors, func(a, b *actor) int { return strings.Compare(a.name, b.name) })
	m.checkNames()
	slices.Sort(m.problems)
	return m, slices.Compact(m.problems)
}

func (m *model) readActor(spec *ast.TypeSpec, doc *ast.CommentGroup, options string) {
	name := spec.Name.Name
	syntax, ok := spec.Type.(*ast.InterfaceType)
	switch {
	case !ok:
		m.refuse(spec.Pos(), "//mallee:actor stands above %s, which is not an interface; mark the interface that callers use", name)
		return
	case spec.TypeParams != nil:
		m.refuse(spec.Pos(), "actor interface %s has type parameters; make one interface for each type that you need", name)
		return
	case !ast.IsExported(name):
		m.refuse(spec.Pos(), "actor interface %s is not exported, so its references could not be; call it %s", name, capital(name))
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
	marks := methodComments(syntax)
	iface, ok := m.pkg.TypesInfo.Defs[spec.Name].Type().Underlying().(*types.Interface)
	if !ok || !iface.IsMethodSet() {
		m.refuse(spec.Pos(), "actor interface %s has type constraints; an actor interface has only methods", name)
		return
	}
	for i := range iface.NumMethods() {
		fn := iface.Method(i)
		if got := m.readMethod(a, fn, marks[fn.Name()]); got != nil {
			a.methods = append(a.methods, got)
		}
	}
	slices.SortFunc(a.methods, func(x, y *method) int { return int(x.pos) - int(y.pos) })
	m.actors = append(m.actors, a)
}

// methodComments finds the comments of methods by name. Those of embedded
// interfaces are not here: they stand with their own declaration.
func methodComments(syntax *ast.InterfaceType) map[string]*ast.CommentGroup {
	found := make(map[string]*ast.CommentGroup)
	for _, field := range syntax.Methods.List {
		for _, name := range field.Names {
			found[name.Name] = field.Doc
		}
	}
	return found
}

func (m *model) readMethod(a *actor, fn *types.Func, doc *ast.CommentGroup) *method {
	marks := directives(doc)
	m.known(fn.Pos(), marks, "oneway", "readonly", "immutable")
	got := &method{name: fn.Name(), doc: strings.TrimSpace(doc.Text()), pos: fn.Pos()}
	_, got.oneway = marks["oneway"]
	_, got.readonly = marks["readonly"]
	_, got.immutable = marks["immutable"]
	signature := fn.Signature()
	got.variadic = signature.Variadic()
	if !m.checkSignature(a, fn, signature, got.oneway) {
		return nil
	}
	got.args = params(signature.Params(), 1, signature.Params().Len(), "arg")
	got.results = params(signature.Results(), 0, signature.Results().Len()-1, "result")
	for i := range signature.Results().Len() {
		got.named = got.named || signature.Results().At(i).Name() != ""
	}
	return got
}

// params names the variables from..to of a tuple for a struct and for JSON.
func params(tuple *types.Tuple, from, to int, unnamed string) []param {
	var list []param
	fields := make(map[string]bool)
	for i := from; i < to; i++ {
		v := tuple.At(i)
		p := param{name: v.Name(), json: v.Name(), typ: v.Type()}
		if p.name == "" || p.name == "_" {
			p.json = unnamed
			if to-from > 1 {
				p.json = fmt.Sprint(unnamed, i-from+1)
			}
			p.name = p.json
		}
		for p.field = capital(p.name); fields[p.field]; {
			p.field += "_"
		}
		fields[p.field] = true
		list = append(list, p)
	}
	return list
}

// capital makes a name exported.
func capital(name string) string {
	first, size := utf8.DecodeRuneInString(name)
	if !unicode.IsLetter(first) {
		return "X" + name
	}
	return string(unicode.ToUpper(first)) + name[size:]
}

func lower(name string) string {
	first, size := utf8.DecodeRuneInString(name)
	return string(unicode.ToLower(first)) + name[size:]
}
