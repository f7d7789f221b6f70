package generate

import (
	"fmt"
	"go/token"
	"go/types"
	"reflect"
	"strings"
)

// checkType refuses a type whose values cannot travel.
func (m *model) checkType(pos token.Pos, what string, t types.Type) {
	key := types.TypeString(t, nil)
	if !m.importable(pos, what, t) || m.checked[key] {
		return
	}
	switch kindOf(t) {
	case kindTime, kindProto, kindBinary, kindText:
		return
	}
	show := types.TypeString(t, func(p *types.Package) string {
		if p == m.pkg.Types {
			return ""
		}
		return p.Name()
	})
	switch u := t.Underlying().(type) {
	case *types.Basic:
		switch {
		case u.Kind() == types.Invalid:
			m.refuse(pos, "the type of %s is not known%s; mend that, and if it is a generated reference, pass a mallee.ID instead", what, m.compilerSays(pos))
		case u.Kind() == types.Uintptr || u.Kind() == types.UnsafePointer:
			m.refuse(pos, "%s is a %s, which means nothing on another node; pass the value itself", what, show)
		}
	case *types.Pointer:
		m.descend(key, pos, what, u.Elem())
	case *types.Slice:
		m.descend(key, pos, what, u.Elem())
	case *types.Array:
		m.descend(key, pos, what, u.Elem())
	case *types.Map:
		m.descend(key, pos, what, u.Key(), u.Elem())
	case *types.Struct:
		m.checked[key] = true // once for the package: fields are wrong whoever carries them
		m.checkStruct(pos, what, show, t, u)
	case *types.Chan:
		m.refuse(pos, "%s is a channel, which cannot leave its process; call a method for each value instead", what)
	case *types.Signature:
		m.refuse(pos, "%s is a function, which cannot leave its process; pass the mallee.ID of an actor to call back", what)
	case *types.Interface:
		m.refuse(pos, "%s is the interface %s, whose values cannot be decoded; use a struct type, or pass the mallee.ID of an actor", what, show)
	default:
		m.refuse(pos, "%s has the type %s, which cannot travel; use a struct type", what, show)
	}
}

// descend checks elements. While it does the type counts as checked, since it
// may contain itself; afterwards it does not, so that each parameter of a
// wrong type is named.
func (m *model) descend(key string, pos token.Pos, what string, elems ...types.Type) {
	m.checked[key] = true
	for _, elem := range elems {
		m.checkType(pos, what, elem)
	}
	delete(m.checked, key)
}

func (m *model) checkStruct(pos token.Pos, what, show string, t types.Type, s *types.Struct) {
	switch {
	case isReference(t):
		m.refuse(pos, "%s is the reference %s, which holds its caller; pass its ID(), a mallee.ID", what, show)
		return
	case isProto(types.NewPointer(t)):
		m.refuse(pos, "%s is a protobuf message without its pointer; pass a *%s", what, show)
		return
	}
	names := make(map[string]string)
	for i := range s.NumFields() {
		f := s.Field(i)
		at := pos
		if f.Pkg() == m.pkg.Types && f.Pos().IsValid() {
			at = f.Pos()
		}
		wireName, ok := fieldName(f, s.Tag(i))
		switch {
		case !ok:
			continue
		case strings.ContainsAny(wireName, ", \t\n"):
			m.refuse(at, "the tag of field %s of %s has the name %q; a name has no commas or spaces, and there are no options", f.Name(), show, wireName)
			continue
		case !f.Exported() && !(f.Embedded() && f.Pkg() == m.pkg.Types):
			m.refuse(at, "field %s of %s, in %s, is not exported and would be lost; export it, tag it `mallee:\"-\"`, or give %s the methods MarshalBinary and UnmarshalBinary",
				f.Name(), show, what, show)
			continue
		}
		if other, twice := names[wireName]; twice {
			m.refuse(at, "fields %s and %s of %s have the same name %q on the wire; tag one of them `mallee:\"other_name\"`", other, f.Name(), show, wireName)
		}
		names[wireName] = f.Name()
		m.checkType(at, fmt.Sprintf("%s (field %s of %s)", what, f.Name(), show), f.Type())
	}
}

// fieldName is the name of a field on the wire; false for one that stays here.
func fieldName(f *types.Var, tag string) (string, bool) {
	switch name := reflect.StructTag(tag).Get("mallee"); {
	case f.Name() == "_" || name == "-":
		return "", false
	case name != "":
		return name, true
	}
	return f.Name(), true
}

// compilerSays is the compiler's complaint about a line, if it has one.
func (m *model) compilerSays(pos token.Pos) string {
	at := m.pkg.Fset.Position(pos)
	for _, e := range m.pkg.TypeErrors {
		if where := m.pkg.Fset.Position(e.Pos); where.Filename == at.Filename && where.Line == at.Line {
			return " (" + e.Msg + ")"
		}
	}
	return ""
}

// importable refuses types that generated code of this package cannot name:
// the packages that it uses them through can.
func (m *model) importable(pos token.Pos, what string, t types.Type) bool {
	var object types.Object
	var args *types.TypeList
	switch named := t.(type) {
	case *types.Alias:
		object, args = named.Obj(), named.TypeArgs()
	case *types.Named:
		object, args = named.Obj(), named.TypeArgs()
	default:
		return true
	}
	for arg := range args.Types() {
		if !m.importable(pos, what, arg) {
			return false
		}
	}
	pkg := object.Pkg()
	switch {
	case pkg == nil:
		return true
	case isCType(object):
		m.refuse(pos, "%s has the type C.%s, whose size depends on the system; use a type of Go", what, strings.TrimPrefix(object.Name(), "_Ctype_"))
	case pkg == m.pkg.Types:
		return true
	case pkg.Name() == "main":
		m.refuse(pos, "%s has the type %s of a package main, which cannot be imported; move the type to a package of its own", what, object.Name())
	case !object.Exported():
		m.refuse(pos, "%s has the type %s.%s, which is not exported; use a type of your own", what, pkg.Name(), object.Name())
	case !reaches(m.pkg.PkgPath, pkg.Path()):
		m.refuse(pos, "%s has the type %s.%s of %s, which only packages beside it can import; use a type of your own", what, pkg.Name(), object.Name(), pkg.Path())
	default:
		return true
	}
	return false
}

// reaches reports whether the go command lets a package import another one,
// which may be in a folder named internal.
func reaches(from, to string) bool {
	const folder = "/internal/"
	if strings.HasPrefix(to, "internal/") || strings.HasPrefix(to, "vendor/") {
		return false // of the standard library
	}
	at := strings.LastIndex(to+"/", folder)
	return at < 0 || from == to[:at] || strings.HasPrefix(from, to[:at]+"/")
}
