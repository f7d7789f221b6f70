package generate

import (
	"bytes"
	_ "embed" // for the template
	"fmt"
	"go/types"
	"slices"
	"strings"
	"text/template"
)

//go:embed stub.tmpl
var stubTemplate string

// source is the generated file.
func (m *model) source() ([]byte, error) {
	f := newFile(m)
	c := newCodec(f)
	hasMethods := slices.ContainsFunc(m.actors, func(a *actor) bool { return len(a.methods) > 0 })
	for _, path := range fixedImports {
		if path == malleePath || hasMethods {
			f.use(path, path[strings.LastIndex(path, "/")+1:])
		}
	}
	stubs := template.Must(template.New("stub").Funcs(template.FuncMap{
		"type": c.show, "encode": c.encode, "decode": c.decode, "copy": c.copy,
		"comment": comment,
		"quote":   func(s string) string { return fmt.Sprintf("%q", s) },
	}).Parse(stubTemplate))

	var b bytes.Buffer
	if err := stubs.Execute(&b, views(f)); err != nil {
		return nil, err
	}
	codecs, err := c.functions()
	if err != nil {
		return nil, err
	}
	b.Write(codecs)
	return f.source(b.Bytes())
}

// actorView is an actor interface as the template wants it.
type actorView struct {
	Name, WireName, Doc string
	Declaration         string // comment above the interface of a service
	TypeParameter       string // any name but the interface's
	Methods             []methodView
}

type methodView struct {
	Actor, Name, Doc      string
	Interface, WireName   string // names to other nodes
	Call                  string // its type is this and Call
	Flags                 string
	In, Out               string // of the reference's method
	Ctx, Receiver, Value  string // names that no parameter has
	Args, Results         []paramView
	Variadic              bool
	CopyArgs, CopyResults bool
}

type paramView struct {
	Name, Field string
	Type        types.Type
}

// groupView is the arguments or the results of a method.
type groupView struct {
	Call, Group string
	Variable    string // that holds them
	Params      []paramView
}

// GroupArgs and GroupResults are for the templates that write the same for both.
func (v methodView) GroupArgs() groupView {
	return groupView{v.Call, "Args", "call.args", v.Args}
}

// GroupResults: see GroupArgs.
func (v methodView) GroupResults() groupView {
	return groupView{v.Call, "Results", "call.results", v.Results}
}

func views(f *file) []actorView {
	var all []actorView
	for _, a := range f.m.actors {
		v := actorView{Name: a.name, WireName: a.wireName, Doc: a.doc, TypeParameter: "T"}
		if a.service {
			v.Declaration = a.declaration()
		}
		if a.name == "T" {
			v.TypeParameter = "Actor"
		}
		for _, method := range a.methods {
			v.Methods = append(v.Methods, viewMethod(f, a, method))
		}
		all = append(all, v)
	}
	return all
}

func viewMethod(f *file, a *actor, method *method) methodView {
	v := methodView{
		Actor: a.name, Name: method.name, Interface: a.wireName, WireName: method.wireName, Doc: method.doc, Variadic: method.variadic,
		Args: viewParams(method.args), Results: viewParams(method.results),
		Call: f.unique(lower(a.name)+method.name, func(name string) []string {
			return []string{name + "Call", name + "Args", name + "Results"}
		}),
	}
	switch {
	case method.oneway && method.readonly:
		v.Flags = "mallee.OneWay | mallee.ReadOnly"
	case method.oneway:
		v.Flags = "mallee.OneWay"
	case method.readonly:
		v.Flags = "mallee.ReadOnly"
	default:
		v.Flags = "0"
	}
	if !method.immutable {
		copied := func(p param) bool { return f.m.copies(p.typ) }
		v.CopyArgs = slices.ContainsFunc(method.args, copied)
		v.CopyResults = slices.ContainsFunc(method.results, copied)
	}
	taken := make(map[string]bool)
	for _, p := range slices.Concat(method.args, method.results) {
		taken[p.name] = true
	}
	v.Ctx, v.Receiver, v.Value = free(taken, "ctx"), free(taken, "r"), free(taken, "call")
	v.In, v.Out = signature(f, method, v.Ctx, free(taken, "err"))
	return v
}

func viewParams(params []param) []paramView {
	var all []paramView
	for _, p := range params {
		all = append(all, paramView{p.name, p.field, p.typ})
	}
	return all
}

// signature is what stands in the parentheses of the reference's method.
func signature(f *file, method *method, ctx, err string) (in, out string) {
	ins := []string{ctx + " context.Context"}
	for i, p := range method.args {
		typ := f.show(p.typ)
		if method.variadic && i == len(method.args)-1 {
			typ = "..." + strings.TrimPrefix(typ, "[]")
		}
		ins = append(ins, p.name+" "+typ)
	}
	var outs []string
	for _, p := range method.results {
		if method.named {
			outs = append(outs, p.name+" "+f.show(p.typ))
		} else {
			outs = append(outs, f.show(p.typ))
		}
	}
	in = strings.Join(ins, ", ")
	switch {
	case method.named:
		return in, "(" + strings.Join(append(outs, err+" error"), ", ") + ")"
	case len(outs) == 0:
		return in, "error"
	}
	return in, "(" + strings.Join(append(outs, "error"), ", ") + ")"
}

// comment prints text as a comment, line by line.
func comment(text string) string {
	var b strings.Builder
	for line := range strings.SplitSeq(text, "\n") {
		b.WriteString(strings.TrimRight("// "+line, " ") + "\n")
	}
	return b.String()
}
