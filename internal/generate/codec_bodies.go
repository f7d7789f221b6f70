package generate

import (
	"fmt"
	"go/types"
	"strings"
)

// nillable reports whether the encoding of a type can be nil, so that a
// pointer to it needs one more level.
func nillable(t types.Type) bool {
	switch kindOf(t) {
	case kindProto, kindBytes:
		return true
	case kindComposite:
		switch t.Underlying().(type) {
		case *types.Pointer, *types.Slice, *types.Map:
			return true
		}
	}
	return false
}

func (c *codec) encodeBody(t types.Type) string {
	if kindOf(t) == kindProto {
		return fmt.Sprintf("if v == nil {\ne.Nil()\nreturn\n}\ndata, err := %s.Marshal(v)\ne.Fail(err)\ne.Bytes(append([]byte{}, data...))\n", c.proto())
	}
	const orNil = "if v == nil {\ne.Nil()\nreturn\n}\n"
	switch u := t.Underlying().(type) {
	case *types.Pointer:
		if nillable(u.Elem()) {
			return orNil + "if !e.ArrayLen(1) {\nreturn\n}\n" + c.encode("(*v)", u.Elem()) + "\ne.Leave()\n"
		}
		return orNil + c.encode("(*v)", u.Elem()) + "\n"
	case *types.Slice:
		return orNil + "if !e.ArrayLen(len(v)) {\nreturn\n}\nfor i := range v {\n" + c.encode("v[i]", u.Elem()) + "\n}\ne.Leave()\n"
	case *types.Array:
		return "if !e.ArrayLen(len(v)) {\nreturn\n}\nfor i := range v {\n" + c.encode("v[i]", u.Elem()) + "\n}\ne.Leave()\n"
	case *types.Map:
		return orNil + "if !e.MapLen(len(v)) {\nreturn\n}\nfor key, value := range v {\n" +
			c.encode("key", u.Key()) + "\n" + c.encode("value", u.Elem()) + "\n}\ne.Leave()\n"
	case *types.Struct:
		fields := travelling(u)
		var b strings.Builder
		fmt.Fprintf(&b, "if !e.MapLen(%d) {\nreturn\n}\n", len(fields))
		for _, f := range fields {
			fmt.Fprintf(&b, "e.String(%q)\n%s\n", f.wire, c.encode("v."+f.name, f.typ))
		}
		return b.String() + "e.Leave()\n"
	}
	panic(fmt.Sprintf("no encoding for %s, which was not refused", t))
}

func (c *codec) decodeBody(t types.Type) string {
	const orNil = "if d.IsNil() {\nreturn nil\n}\n"
	if kindOf(t) == kindProto {
		elem := types.Unalias(t).(*types.Pointer).Elem()
		return fmt.Sprintf("%sdata := d.Bytes()\nv = new(%s)\nd.Fail(%s.Unmarshal(data, v))\n", orNil, c.show(elem), c.proto())
	}
	switch u := t.Underlying().(type) {
	case *types.Pointer:
		made := fmt.Sprintf("v = new(%s)\n", c.show(u.Elem()))
		if nillable(u.Elem()) {
			return orNil + "n := d.ArrayLen()\nif n == 0 {\nreturn nil\n}\n" + made + c.decode("(*v)", u.Elem()) + "\nd.Skip(n - 1)\nd.Leave()\n"
		}
		return orNil + made + c.decode("(*v)", u.Elem()) + "\n"
	case *types.Slice:
		return orNil + fmt.Sprintf("n := d.ArrayLen()\nif !d.Charge(n, %d) {\nreturn nil\n}\nv = make(%s, n)\nfor i := range v {\n%s\n}\nd.Leave()\n",
			sizeOf(u.Elem()), c.show(t), c.decode("v[i]", u.Elem()))
	case *types.Array:
		return "n := d.ArrayLen()\nfor i := range min(n, len(v)) {\n" + c.decode("v[i]", u.Elem()) + "\n}\nd.Skip(n - len(v))\nd.Leave()\n"
	case *types.Map:
		return orNil + fmt.Sprintf("n := d.MapLen()\nif !d.Charge(n, %d) {\nreturn nil\n}\nv = make(%s, n)\nfor range n {\nvar key %s\nvar value %s\n%s\n%s\nif d.Err() != nil {\nreturn nil\n}\nv[key] = value\n}\nd.Leave()\n",
			sizeOf(u.Key())+sizeOf(u.Elem()), c.show(t), c.show(u.Key()), c.show(u.Elem()), c.decode("key", u.Key()), c.decode("value", u.Elem()))
	case *types.Struct:
		var b strings.Builder
		b.WriteString("for range d.MapLen() {\nswitch string(d.Name()) {\n")
		for _, f := range travelling(u) {
			fmt.Fprintf(&b, "case %q:\n%s\n", f.wire, c.decode("v."+f.name, f.typ))
		}
		return b.String() + "default:\nd.Skip(1)\n}\nif d.Err() != nil {\nbreak\n}\n}\nd.Leave()\n"
	}
	panic(fmt.Sprintf("no decoding for %s, which was not refused", t))
}

func (c *codec) copyBody(t types.Type) string {
	switch kindOf(t) {
	case kindProto:
		return fmt.Sprintf("return %s.Clone(v).(%s)\n", c.proto(), c.show(t))
	case kindBinary:
		return fmt.Sprintf("var fresh %s\nc.Binary(&fresh, %s)\nreturn fresh\n", c.show(t), marshaler("v", t, "MarshalBinary"))
	case kindText:
		return fmt.Sprintf("var fresh %s\nc.Text(&fresh, %s)\nreturn fresh\n", c.show(t), marshaler("v", t, "MarshalText"))
	}
	const orNil = "if v == nil || !c.Enter() {\nreturn nil\n}\n"
	const leave = "c.Leave()\nreturn fresh\n"
	switch u := t.Underlying().(type) {
	case *types.Pointer:
		return orNil + fmt.Sprintf("fresh := new(%s)\n*fresh = %s\n", c.show(u.Elem()), c.copied("(*v)", u.Elem())) + leave
	case *types.Slice:
		if !c.m.copies(u.Elem()) {
			return fmt.Sprintf("return %s.Clone(v)\n", c.use("slices", "slices"))
		}
		return orNil + fmt.Sprintf("fresh := make(%s, len(v))\nfor i := range v {\nfresh[i] = %s\n}\n", c.show(t), c.copied("v[i]", u.Elem())) + leave
	case *types.Array:
		return "for i := range v {\nv[i] = " + c.copied("v[i]", u.Elem()) + "\n}\nreturn v\n"
	case *types.Map:
		if !c.m.copies(u.Elem()) && !c.m.copies(u.Key()) {
			return fmt.Sprintf("return %s.Clone(v)\n", c.use("maps", "maps"))
		}
		return orNil + fmt.Sprintf("fresh := make(%s, len(v))\nfor key, value := range v {\nfresh[%s] = %s\n}\n",
			c.show(t), c.copied("key", u.Key()), c.copied("value", u.Elem())) + leave
	case *types.Struct:
		var b strings.Builder
		for i := range u.NumFields() {
			f := u.Field(i)
			_, travels := fieldName(f, u.Tag(i))
			switch {
			case f.Name() == "_":
			case !travels:
				fmt.Fprintf(&b, "v.%s = *new(%s) // stays with the sender\n", f.Name(), c.show(f.Type()))
			case c.m.copies(f.Type()):
				fmt.Fprintf(&b, "v.%s = %s\n", f.Name(), c.copied("v."+f.Name(), f.Type()))
			}
		}
		return b.String() + "return v\n"
	}
	panic(fmt.Sprintf("no copy of %s, which was not refused", t))
}

// field of a struct that travels.
type field struct {
	name, wire string
	typ        types.Type
}

func travelling(s *types.Struct) []field {
	var fields []field
	for i := range s.NumFields() {
		f := s.Field(i)
		if name, ok := fieldName(f, s.Tag(i)); ok {
			fields = append(fields, field{name: f.Name(), wire: name, typ: f.Type()})
		}
	}
	return fields
}

// sizeOf is what an element takes in memory on the largest machines.
func sizeOf(t types.Type) int64 { return types.SizesFor("gc", "amd64").Sizeof(t) }
