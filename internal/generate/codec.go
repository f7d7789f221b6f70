package generate

import (
	"bytes"
	_ "embed" // for the templates
	"fmt"
	"go/types"
	"slices"
	"strings"
	"text/template"
	"unicode"
)

// codec writes the functions that encode, decode and copy composite types, one
// set for each type that the package's calls carry. Functions for structs and
// arrays take pointers, so that nothing large is copied; the others take values.
type codec struct {
	*file
	names     map[string]string // type → its name in the names of its functions
	queue     []function
	done      map[string]bool
	templates *template.Template
}

// function that is called and has to be written.
type function struct {
	verb string // one of verbs
	Name string // what follows the verb in its name
	Type types.Type
}

var verbs = []string{"encode", "decode", "copy"}

//go:embed codec.tmpl
var codecTemplates string

func newCodec(f *file) *codec {
	c := &codec{file: f, names: make(map[string]string), done: make(map[string]bool)}
	c.templates = template.Must(template.New("codec").Funcs(template.FuncMap{
		"type": c.show, "encode": c.encode, "decode": c.decode, "copy": c.copy,
		"copies": c.m.copies, "charge": charge, "chargePointed": chargePointed, "nillable": nillable,
		"use": func(path string) string { return c.use(path, path[strings.LastIndex(path, "/")+1:]) },
	}).Parse(codecTemplates))
	return c
}

// encode is a statement that writes the variable v with e, an Encoder or the
// address of one.
func (c *codec) encode(e, v string, t types.Type) string {
	on := strings.TrimPrefix(e, "&")
	switch kindOf(t) {
	case kindTime:
		return fmt.Sprintf("%s.Time(%s)", on, v)
	case kindBinary:
		return fmt.Sprintf("%s.Binary(%s)", on, address(v))
	case kindText:
		return fmt.Sprintf("%s.Text(%s)", on, address(v))
	case kindBytes:
		return fmt.Sprintf("%s.Bytes(%s)", on, v)
	case kindByteArray:
		return fmt.Sprintf("%s.Bytes(%s[:])", on, strings.TrimPrefix(v, "*"))
	case kindBasic:
		method, wide, _ := basic(t)
		return fmt.Sprintf("%s.%s(%s)", on, method, convert(wide, t, v))
	}
	return fmt.Sprintf("%s(%s, %s)", c.function("encode", t), e, pass(v, t))
}

// decode is a statement that reads the variable v, which is zero, with d.
func (c *codec) decode(d, v string, t types.Type) string {
	on := strings.TrimPrefix(d, "&")
	switch kindOf(t) {
	case kindTime:
		return fmt.Sprintf("%s = %s.Time()", v, on)
	case kindBinary:
		return fmt.Sprintf("%s.Binary(%s)", on, address(v))
	case kindText:
		return fmt.Sprintf("%s.Text(%s)", on, address(v))
	case kindBytes:
		return fmt.Sprintf("%s = %s.Bytes()", v, on)
	case kindByteArray:
		return fmt.Sprintf("%s.BytesInto(%s[:])", on, strings.TrimPrefix(v, "*"))
	case kindBasic:
		method, wide, bits := basic(t)
		return fmt.Sprintf("%s = %s", v, convert(c.show(t), types.Universe.Lookup(wide).Type(), fmt.Sprintf("%s.%s(%s)", on, method, bits)))
	}
	if isAggregate(t) {
		return fmt.Sprintf("%s(%s, %s)", c.function("decode", t), d, address(v))
	}
	return fmt.Sprintf("%s = %s(%s)", v, c.function("decode", t), d)
}

// copy is a statement that gives the variable to, which is zero, a deep copy of
// the variable from, with the Copier c.
func (c *codec) copy(copier, to, from string, t types.Type) string {
	if !c.m.copies(t) {
		return fmt.Sprintf("%s = %s", to, from)
	}
	on := strings.TrimPrefix(copier, "&")
	switch kindOf(t) {
	case kindTime:
		return fmt.Sprintf("%s = wire.Instant(%s)", to, from)
	case kindProto:
		return fmt.Sprintf("%s = %s.Clone(%s).(%s)", to, c.use(protoPath, "proto"), from, c.show(t))
	case kindBinary:
		return fmt.Sprintf("%s.Binary(%s, %s)", on, address(to), address(from))
	case kindText:
		return fmt.Sprintf("%s.Text(%s, %s)", on, address(to), address(from))
	case kindBytes:
		return fmt.Sprintf("%s = %s.Clone(%s)", to, c.use("slices", "slices"), from)
	}
	if isAggregate(t) {
		return fmt.Sprintf("%s(%s, %s, %s)", c.function("copy", t), copier, address(to), address(from))
	}
	return fmt.Sprintf("%s = %s(%s, %s)", to, c.function("copy", t), copier, from)
}

// function is the name of a function, which will be written.
func (c *codec) function(verb string, t types.Type) string {
	key := types.TypeString(t, nil)
	name, ok := c.names[key]
	if !ok {
		name = c.unique(mangle(t), func(name string) []string {
			return []string{verbs[0] + name, verbs[1] + name, verbs[2] + name}
		})
		c.names[key] = name
	}
	if full := verb + name; !c.done[full] {
		c.done[full] = true
		c.queue = append(c.queue, function{verb, name, t})
	}
	return verb + name
}

// functions writes all functions that are called, and those that they call.
func (c *codec) functions() ([]byte, error) {
	type text struct {
		function
		source []byte
	}
	var written []text
	for len(c.queue) > 0 {
		f := c.queue[0]
		c.queue = c.queue[1:]
		var b bytes.Buffer
		if err := c.templates.ExecuteTemplate(&b, f.verb+" "+f.shape(), f); err != nil {
			return nil, err
		}
		written = append(written, text{f, b.Bytes()})
	}
	slices.SortFunc(written, func(a, b text) int {
		if a.Name != b.Name {
			return strings.Compare(a.Name, b.Name)
		}
		return slices.Index(verbs, a.verb) - slices.Index(verbs, b.verb)
	})
	var all []byte
	for _, t := range written {
		all = append(all, t.source...)
	}
	return all, nil
}

// shape is the last word of the name of a function's template.
func (f function) shape() string {
	if kindOf(f.Type) == kindProto {
		return "proto"
	}
	switch f.Type.Underlying().(type) {
	case *types.Pointer:
		return "pointer"
	case *types.Slice:
		return "slice"
	case *types.Array:
		return "array"
	case *types.Map:
		return "map"
	}
	return "struct"
}

// Elem is the element of a pointer, slice, array or map, for templates.
func (f function) Elem() types.Type {
	return f.Type.Underlying().(interface{ Elem() types.Type }).Elem()
}

// Key is the key of a map.
func (f function) Key() types.Type { return f.Type.Underlying().(*types.Map).Key() }

// Fields are those of a struct that travel.
func (f function) Fields() []fieldView {
	var views []fieldView
	for _, one := range travelling(f.Type.Underlying().(*types.Struct)) {
		views = append(views, fieldView{one.name, one.wire, one.typ})
	}
	return views
}

// fieldView is a field as templates want it.
type fieldView struct {
	Name, Wire string
	Type       types.Type
}

// mangle makes a part of an identifier of a type.
func mangle(t types.Type) string {
	switch u := types.Unalias(t).(type) {
	case *types.Named:
		name := capital(u.Obj().Name())
		for arg := range u.TypeArgs().Types() {
			name += "Of" + mangle(arg)
		}
		return name
	case *types.Basic:
		return capital(u.Name())
	case *types.Pointer:
		return mangle(u.Elem()) + "Pointer"
	case *types.Slice:
		return mangle(u.Elem()) + "Slice"
	case *types.Array:
		return fmt.Sprint(mangle(u.Elem()), "Array", u.Len())
	case *types.Map:
		return mangle(u.Key()) + "To" + mangle(u.Elem()) + "Map"
	}
	return "Struct"
}

// isAggregate reports whether the functions of a composite type take its address.
func isAggregate(t types.Type) bool {
	switch t.Underlying().(type) {
	case *types.Struct, *types.Array:
		return kindOf(t) == kindComposite
	}
	return false
}

func pass(v string, t types.Type) string {
	if isAggregate(t) {
		return address(v)
	}
	return v
}

func address(v string) string {
	if pointer, ok := strings.CutPrefix(v, "*"); ok {
		return pointer
	}
	return "&" + v
}

// nillable reports whether the encoding of a type can be nil, so that a
// pointer to it needs one more level.
func nillable(t types.Type) bool {
	switch kindOf(t) {
	case kindProto, kindBytes:
		return true
	case kindComposite:
		return !isAggregate(t)
	}
	return false
}

// basic is the method that reads and writes a basic type, the type that it
// takes, and its argument for decoding.
func basic(t types.Type) (method, wide, bits string) {
	b := t.Underlying().(*types.Basic)
	switch info := b.Info(); {
	case info&types.IsBoolean != 0:
		return "Bool", "bool", ""
	case info&types.IsString != 0:
		return "String", "string", ""
	case info&types.IsComplex != 0:
		return "Complex", "complex128", ""
	case b.Kind() == types.Float32:
		return "Float32", "float32", ""
	case info&types.IsFloat != 0:
		return "Float64", "float64", ""
	}
	// By kind, not by name: byte and rune are uint8 and int32.
	bits = strings.TrimLeftFunc(types.Typ[b.Kind()].Name(), unicode.IsLetter)
	if bits == "" {
		bits = "wire.WordSize"
	}
	if b.Info()&types.IsUnsigned != 0 {
		return "Uint", "uint64", bits
	}
	return "Int", "int64", bits
}

// convert is v, which has the type from, as one of the type to.
func convert(to string, from types.Type, v string) string {
	if types.TypeString(from, nil) == to {
		return v
	}
	return fmt.Sprintf("%s(%s)", to, v)
}
