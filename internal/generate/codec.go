package generate

import (
	"fmt"
	"go/types"
	"path"
	"slices"
	"strings"
	"unicode"
)

// codec writes the functions that encode, decode and copy composite types, one
// set for each type that the package's calls carry.
type codec struct {
	m       *model
	imports map[string]string // path → name in this file
	names   map[string]string // type → suffix of its functions
	taken   map[string]bool   // suffixes
	queue   []wanted
	done    map[wanted]bool
}

// wanted is a function that is called and has to be written.
type wanted struct {
	verb string // encode, decode or copy
	typ  string
	t    types.Type
}

func newCodec(m *model) *codec {
	return &codec{
		m: m, imports: make(map[string]string), names: make(map[string]string),
		taken: make(map[string]bool), done: make(map[wanted]bool),
	}
}

// use imports a package and gives the name that it has in this file.
func (c *codec) use(importPath, name string) string {
	if known, ok := c.imports[importPath]; ok {
		return known
	}
	unique := name
	for n := 2; slices.Contains(mapValues(c.imports), unique) || c.m.pkg.Types.Scope().Lookup(unique) != nil; n++ {
		unique = fmt.Sprint(name, n)
	}
	c.imports[importPath] = unique
	return unique
}

func mapValues(m map[string]string) []string {
	var values []string
	for _, v := range m {
		values = append(values, v)
	}
	return values
}

// show is the type as this file writes it.
func (c *codec) show(t types.Type) string {
	return types.TypeString(t, func(p *types.Package) string {
		if p == c.m.pkg.Types {
			return ""
		}
		return c.use(p.Path(), p.Name())
	})
}

// call is a call of the function for a type.
func (c *codec) call(verb string, t types.Type, args string) string {
	key := types.TypeString(t, nil)
	suffix, ok := c.names[key]
	if !ok {
		suffix = mangle(t)
		for n := 2; c.taken[suffix]; n++ {
			suffix = fmt.Sprint(mangle(t), n)
		}
		c.names[key], c.taken[suffix] = suffix, true
	}
	w := wanted{verb: verb, typ: key}
	if !c.done[w] {
		c.done[w] = true
		w.t = t
		c.queue = append(c.queue, w)
	}
	return fmt.Sprintf("%s%s(%s)", verb, suffix, args)
}

// mangle makes an identifier of a type.
func mangle(t types.Type) string {
	switch u := types.Unalias(t).(type) {
	case *types.Named:
		name := capital(u.Obj().Name())
		for i := range u.TypeArgs().Len() {
			name += "Of" + mangle(u.TypeArgs().At(i))
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

// encode is a statement that writes v, which can be addressed.
func (c *codec) encode(v string, t types.Type) string {
	switch kindOf(t) {
	case kindTime:
		return fmt.Sprintf("e.Time(%s)", v)
	case kindBinary:
		return fmt.Sprintf("e.Binary(%s)", marshaler(v, t, "MarshalBinary"))
	case kindText:
		return fmt.Sprintf("e.Text(%s)", marshaler(v, t, "MarshalText"))
	case kindBytes:
		return fmt.Sprintf("e.Bytes(%s)", v)
	case kindBasic:
		method, wide, _ := basic(t)
		return fmt.Sprintf("e.%s(%s)", method, convert(wide, t, v))
	}
	return c.call("encode", t, "e, "+v)
}

// decode is a statement that reads into the variable v.
func (c *codec) decode(v string, t types.Type) string {
	switch kindOf(t) {
	case kindTime:
		return fmt.Sprintf("%s = d.Time()", v)
	case kindBinary:
		return fmt.Sprintf("d.Binary(&%s)", v)
	case kindText:
		return fmt.Sprintf("d.Text(&%s)", v)
	case kindBytes:
		return fmt.Sprintf("%s = d.Bytes()", v)
	case kindBasic:
		method, wide, bits := basic(t)
		read := fmt.Sprintf("d.%s(%s)", method, bits)
		if types.TypeString(t, nil) != wide {
			read = fmt.Sprintf("%s(%s)", c.show(t), read)
		}
		return fmt.Sprintf("%s = %s", v, read)
	}
	return fmt.Sprintf("%s = %s", v, c.call("decode", t, "d"))
}

// copied is an expression for a deep copy of v, or v itself where nothing is shared.
func (c *codec) copied(v string, t types.Type) string {
	switch {
	case !c.m.copies(t):
		return v
	case kindOf(t) == kindBytes:
		return fmt.Sprintf("%s.Clone(%s)", c.use("slices", "slices"), v)
	}
	return c.call("copy", t, "c, "+v)
}

func marshaler(v string, t types.Type, method string) string {
	if object, _, _ := types.LookupFieldOrMethod(t, false, nil, method); object != nil {
		return v
	}
	return "&" + v
}

// basic is the method that reads and writes a basic type, the type that it
// takes, and its argument for decoding.
func basic(t types.Type) (method, wide, bits string) {
	b := t.Underlying().(*types.Basic)
	name := b.Name()
	if b.Kind() == types.Uint8 {
		name = "uint8"
	} else if b.Kind() == types.Int32 {
		name = "int32"
	}
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
	bits = strings.TrimLeftFunc(name, unicode.IsLetter)
	if bits == "" {
		bits = "wire.WordSize"
	}
	if b.Info()&types.IsUnsigned != 0 {
		return "Uint", "uint64", bits
	}
	return "Int", "int64", bits
}

func convert(to string, t types.Type, v string) string {
	if types.TypeString(t, nil) == to {
		return v
	}
	return fmt.Sprintf("%s(%s)", to, v)
}

// copies reports whether calls copy values of the type: they share memory, or
// have fields that stay behind.
func (m *model) copies(t types.Type) bool { return m.holdsReferences(t, nil) }

// functions writes all wanted functions, and those that they want.
func (c *codec) functions() string {
	var written []string
	for len(c.queue) > 0 {
		w := c.queue[0]
		c.queue = c.queue[1:]
		written = append(written, c.function(w))
	}
	slices.SortFunc(written, func(a, b string) int { return strings.Compare(signature(a), signature(b)) })
	return strings.Join(written, "\n")
}

// signature puts the functions of one type together: encode, decode, copy.
func signature(function string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(function, "func "), "(")
	for i, verb := range []string{"encode", "decode", "copy"} {
		if suffix, ok := strings.CutPrefix(name, verb); ok {
			return fmt.Sprint(suffix, " ", i)
		}
	}
	return name
}

func (c *codec) function(w wanted) string {
	name := w.verb + c.names[w.typ]
	t := c.show(w.t)
	switch w.verb {
	case "encode":
		return fmt.Sprintf("func %s(e *wire.Encoder, v %s) {\n%s}\n", name, t, c.encodeBody(w.t))
	case "decode":
		return fmt.Sprintf("func %s(d *wire.Decoder) (v %s) {\n%sreturn v\n}\n", name, t, c.decodeBody(w.t))
	}
	return fmt.Sprintf("func %s(c *wire.Copier, v %s) %s {\n%s}\n", name, t, t, c.copyBody(w.t))
}

// proto is the name of the protobuf package in this file.
func (c *codec) proto() string {
	const importPath = "google.golang.org/protobuf/proto"
	return c.use(importPath, path.Base(importPath))
}
