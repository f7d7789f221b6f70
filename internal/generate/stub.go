package generate

import (
	"bytes"
	"fmt"
	"go/format"
	"slices"
	"strings"
	"text/template"
)

// source is the generated file.
func (m *model) source() ([]byte, error) {
	c := newCodec(m)
	for _, p := range []string{"context", "github.com/mallee-io/mallee", "github.com/mallee-io/mallee/wire"} {
		c.use(p, p[strings.LastIndex(p, "/")+1:])
	}
	var body bytes.Buffer
	if err := stubs.Execute(&body, m.views(c)); err != nil {
		return nil, err
	}
	body.WriteString(c.functions())

	var file bytes.Buffer
	fmt.Fprintf(&file, "%s\npackage %s\n\nimport (\n", header, m.pkg.Name)
	var std, others []string
	for path, name := range c.imports {
		line := fmt.Sprintf("%q\n", path)
		if name != path[strings.LastIndex(path, "/")+1:] {
			line = name + " " + line
		}
		if strings.Contains(path, ".") {
			others = append(others, line)
		} else {
			std = append(std, line)
		}
	}
	slices.Sort(std)
	slices.Sort(others)
	fmt.Fprintf(&file, "%s\n%s)\n\n", strings.Join(std, ""), strings.Join(others, ""))
	file.WriteString(handshake)
	file.Write(body.Bytes())
	source, err := format.Source(file.Bytes())
	if err != nil {
		return nil, fmt.Errorf("generated code does not parse, which is a defect of the generator: %w\n%s", err, file.Bytes())
	}
	return source, nil
}

const handshake = `// If the compiler stops here, this file is from another version of mallee than
// the one in go.mod: run go generate again.
const _ = mallee.GeneratedVersion1

`

// actorView is an actor interface as the template wants it.
type actorView struct {
	Name, WireName, Doc string
	Methods             []methodView
}

type methodView struct {
	Actor, WireName, Name, Doc string
	Call                       string // its type
	Flags                      string
	Signature                  string // of the stub
	Ctx                        string // names that no parameter has
	Receiver, Value            string
	Args, Results              []paramView
	Variadic                   bool
	CopyArgs, CopyResults      bool
}

type paramView struct {
	Name, Field, JSON, Type string
	Encode, Decode, Copy    string
	Copies                  bool
}

func (m *model) views(c *codec) []actorView {
	var views []actorView
	for _, a := range m.actors {
		v := actorView{Name: a.name, WireName: a.wireName, Doc: a.doc}
		for _, method := range a.methods {
			v.Methods = append(v.Methods, m.methodView(c, a, method))
		}
		views = append(views, v)
	}
	return views
}

func (m *model) methodView(c *codec, a *actor, method *method) methodView {
	v := methodView{
		Actor: a.name, WireName: a.wireName, Name: method.name, Doc: method.doc, Flags: "0",
		Call: lower(a.name) + method.name, Variadic: method.variadic,
		Args:    m.paramViews(c, method.args, "args"),
		Results: m.paramViews(c, method.results, "results"),
	}
	switch {
	case method.oneway && method.readonly:
		v.Flags = "mallee.OneWay | mallee.ReadOnly"
	case method.oneway:
		v.Flags = "mallee.OneWay"
	case method.readonly:
		v.Flags = "mallee.ReadOnly"
	}
	if !method.immutable {
		v.CopyArgs = slices.ContainsFunc(v.Args, func(p paramView) bool { return p.Copies })
		v.CopyResults = slices.ContainsFunc(v.Results, func(p paramView) bool { return p.Copies })
	}
	taken := make(map[string]bool)
	for _, p := range append(slices.Clone(method.args), method.results...) {
		taken[p.name] = true
	}
	v.Ctx, v.Receiver, v.Value = free(taken, "ctx"), free(taken, "r"), free(taken, "call")

	in := []string{v.Ctx + " context.Context"}
	for i, p := range v.Args {
		typ := p.Type
		if v.Variadic && i == len(v.Args)-1 {
			typ = "..." + strings.TrimPrefix(typ, "[]")
		}
		in = append(in, p.Name+" "+typ)
	}
	var out []string
	for _, p := range v.Results {
		if method.named {
			out = append(out, p.Name+" "+p.Type)
		} else {
			out = append(out, p.Type)
		}
	}
	if method.named {
		out = append(out, free(taken, "err")+" error")
	} else {
		out = append(out, "error")
	}
	v.Signature = fmt.Sprintf("(%s) (%s)", strings.Join(in, ", "), strings.Join(out, ", "))
	if len(out) == 1 && !method.named {
		v.Signature = fmt.Sprintf("(%s) error", strings.Join(in, ", "))
	}
	return v
}

// free is the name, or one like it that is not taken.
func free(taken map[string]bool, name string) string {
	for taken[name] {
		name += "_"
	}
	return name
}

func (m *model) paramViews(c *codec, params []param, group string) []paramView {
	var views []paramView
	for _, p := range params {
		at := "c." + group + "." + p.field
		v := paramView{Name: p.name, Field: p.field, JSON: p.json, Type: c.show(p.typ), Copies: m.copies(p.typ)}
		// In a call's methods the receiver is named call and c is the Copier.
		at = strings.Replace(at, "c.", "call.", 1)
		v.Encode, v.Decode = c.encode(at, p.typ), c.decode(at, p.typ)
		v.Encode = strings.ReplaceAll(v.Encode, "(e, ", "(&e, ")
		v.Decode = strings.ReplaceAll(v.Decode, "(d)", "(&d)")
		if v.Copies {
			v.Copy = at + " = " + strings.Replace(c.copied(at, p.typ), "(c, ", "(&c, ", 1)
		}
		views = append(views, v)
	}
	return views
}

// comment prints text as a comment, line by line.
func comment(text string) string {
	if text == "" {
		return ""
	}
	var b strings.Builder
	for line := range strings.SplitSeq(text, "\n") {
		b.WriteString(strings.TrimRight("// "+line, " ") + "\n")
	}
	return b.String()
}

var stubs = template.Must(template.New("stubs").Funcs(template.FuncMap{
	"comment": comment,
	"quote":   func(s string) string { return fmt.Sprintf("%q", s) },
}).Parse(`{{range .}}
// {{.Name}}Type is the actor type {{.Name}}: create makes the actor of an activation.
func {{.Name}}Type[T {{.Name}}](create func(*mallee.Self) T, options ...mallee.TypeOption) mallee.Type {
	return mallee.NewType({{.Name}}Interface(), func(self *mallee.Self) any { return create(self) }, options...)
}

// {{.Name}}Interface describes {{.Name}} to the runtime. Give it to mallee.Serves
// when the actors of another type implement {{.Name}} too.
func {{.Name}}Interface() mallee.Interface {
	return mallee.Interface{
		Name: {{quote .WireName}},
		Doc: {{quote .Doc}},
		Methods: []mallee.Method{
			{{- range .Methods}}
			{Name: {{quote .Name}}, Doc: {{quote .Doc}}, New: func() mallee.Call { return new({{.Call}}Call) }},
			{{- end}}
		},
	}
}

// {{.Name}}Ref is a reference to a {{.Name}}. It is a small value: making one
// costs nothing, and the actor need not be active.
type {{.Name}}Ref struct {
	caller mallee.Caller
	id     mallee.ID
}

var _ {{.Name}} = {{.Name}}Ref{}

// {{.Name}}Of refers to the {{.Name}} with the key. The caller is a node or, inside of
// an actor, its mallee.Self.
func {{.Name}}Of(caller mallee.Caller, key string) {{.Name}}Ref {
	return {{.Name}}Ref{caller, mallee.ID{Type: {{quote .WireName}}, Key: key}}
}

// {{.Name}}At refers to an actor of any type that serves {{.Name}}.
func {{.Name}}At(caller mallee.Caller, id mallee.ID) {{.Name}}Ref {
	return {{.Name}}Ref{caller, id}
}

// ID is the address of the actor.
func (r {{.Name}}Ref) ID() mallee.ID { return r.id }
{{range .Methods}}
{{if .Doc}}{{comment .Doc -}}{{else}}// {{.Name}} calls {{.Name}} of the actor.
{{end -}}
func ({{.Receiver}} {{.Actor}}Ref) {{.Name}}{{.Signature}} {
	{{.Value}} := &{{.Call}}Call{
		{{- if .Args}}args: {{.Call}}Args{ {{- range $i, $p := .Args}}{{if $i}}, {{end}}{{$p.Field}}: {{$p.Name}}{{end -}} }{{end -}}
	}
	{{- if .Results}}
	if err := {{.Receiver}}.caller.Invoke({{.Ctx}}, {{.Receiver}}.id, {{.Value}}); err != nil {
		failed := {{.Call}}Results{} // the call may still be running: its results are not ours
		return {{range .Results}}failed.{{.Field}}, {{end}}err
	}
	return {{$value := .Value}}{{range .Results}}{{$value}}.results.{{.Field}}, {{end}}nil
	{{- else}}
	return {{.Receiver}}.caller.Invoke({{.Ctx}}, {{.Receiver}}.id, {{.Value}})
	{{- end}}
}
{{end}}
{{range .Methods}}
// {{.Call}}Call is one call of {{.Actor}}.{{.Name}}.
type {{.Call}}Call struct {
	args    {{.Call}}Args
	results {{.Call}}Results
}

type {{.Call}}Args struct {
	{{- range .Args}}
	{{.Field}} {{.Type}} ` + "`json:{{quote .JSON}}`" + `
	{{- end}}
}

type {{.Call}}Results struct {
	{{- range .Results}}
	{{.Field}} {{.Type}} ` + "`json:{{quote .JSON}}`" + `
	{{- end}}
}

func (*{{.Call}}Call) Interface() string { return {{quote .WireName}} }
func (*{{.Call}}Call) Method() string { return {{quote .Name}} }
func (*{{.Call}}Call) Flags() mallee.CallFlags { return {{.Flags}} }
func (call *{{.Call}}Call) Args() any { return &call.args }
func (call *{{.Call}}Call) Results() any { return &call.results }

func (call *{{.Call}}Call) Run(ctx context.Context, actor any) (err error) {
	target, ok := actor.({{.Actor}})
	if !ok {
		return mallee.ErrNotFound.Errorf("%T does not implement {{.Actor}}", actor)
	}
	{{range .Results}}call.results.{{.Field}}, {{end}}err = target.{{.Name}}(ctx{{range .Args}}, call.args.{{.Field}}{{end}}{{if .Variadic}}...{{end}})
	return err
}
{{if .CopyArgs}}
func (call *{{.Call}}Call) CopyArgs() error {
	var c wire.Copier
	{{- range .Args}}{{if .Copies}}
	{{.Copy}}
	{{- end}}{{end}}
	return c.Finish()
}
{{else}}
func (*{{.Call}}Call) CopyArgs() error { return nil }
{{- end}}
{{if .CopyResults}}
func (call *{{.Call}}Call) CopyResults() error {
	var c wire.Copier
	{{- range .Results}}{{if .Copies}}
	{{.Copy}}
	{{- end}}{{end}}
	return c.Finish()
}
{{else}}
func (*{{.Call}}Call) CopyResults() error { return nil }
{{- end}}

func (call *{{.Call}}Call) AppendArgs(b []byte) ([]byte, error) {
	e := wire.NewEncoder(b)
	e.ArrayLen({{len .Args}})
	{{- range .Args}}
	{{.Encode}}
	{{- end}}
	return e.Finish()
}

func (call *{{.Call}}Call) DecodeArgs(b []byte) error {
	d := wire.NewDecoder(b)
	n := d.ArrayLen()
	{{- range $i, $p := .Args}}
	if n > {{$i}} {
		{{$p.Decode}}
	}
	{{- end}}
	d.Skip(n - {{len .Args}})
	return d.Finish()
}

func (call *{{.Call}}Call) AppendResults(b []byte) ([]byte, error) {
	e := wire.NewEncoder(b)
	e.ArrayLen({{len .Results}})
	{{- range .Results}}
	{{.Encode}}
	{{- end}}
	return e.Finish()
}

func (call *{{.Call}}Call) DecodeResults(b []byte) error {
	d := wire.NewDecoder(b)
	n := d.ArrayLen()
	{{- range $i, $p := .Results}}
	if n > {{$i}} {
		{{$p.Decode}}
	}
	{{- end}}
	d.Skip(n - {{len .Results}})
	return d.Finish()
}
{{end}}{{end}}
`))
