package generate

import (
	"fmt"
	"go/token"
	"go/types"
	"reflect"
	"slices"
	"strings"
)

// refuse notes a problem: what is wrong, a semicolon, how to mend it.
func (m *model) refuse(pos token.Pos, format string, args ...any) {
	m.problems = append(m.problems, m.pkg.at(pos)+": "+fmt.Sprintf(format, args...))
}

func (m *model) known(pos token.Pos, marks map[string]string, names ...string) {
	for mark := range marks {
		if !slices.Contains(names, mark) {
			m.refuse(pos, "//mallee:%s is not a directive here; use one of //mallee:%s", mark, strings.Join(names, ", //mallee:"))
		}
	}
}

// checkSignature refuses a method that cannot be a call.
func (m *model) checkSignature(a *actor, fn *types.Func, s *types.Signature, oneway bool) bool {
	before := len(m.problems)
	name := a.name + "." + fn.Name()
	if !fn.Exported() {
		m.refuse(fn.Pos(), "method %s is not exported, so no other package could implement it; call it %s", name, capital(fn.Name()))
		return false
	}
	if s.Params().Len() == 0 || !isNamed(s.Params().At(0).Type(), "context", "Context") {
		m.refuse(fn.Pos(), "method %s does not take a context; make its first parameter ctx context.Context", name)
		return false
	}
	last := s.Results().Len() - 1
	if last < 0 || !types.Identical(s.Results().At(last).Type(), types.Universe.Lookup("error").Type()) {
		m.refuse(fn.Pos(), "method %s cannot report that a call has failed; make its last result an error", name)
		return false
	}
	if oneway && last > 0 {
		m.refuse(fn.Pos(), "one-way method %s has results that nobody waits for; return only an error or take //mallee:oneway away", name)
	}
	for i := 1; i < s.Params().Len(); i++ {
		p := s.Params().At(i)
		m.checkType(fn.Pos(), fmt.Sprintf("parameter %s of %s", nameOr(p, i), name), p.Type(), nil)
	}
	for i := range last {
		r := s.Results().At(i)
		m.checkType(fn.Pos(), fmt.Sprintf("result %s of %s", nameOr(r, i+1), name), r.Type(), nil)
	}
	return len(m.problems) == before
}

func nameOr(v *types.Var, number int) string {
	if v.Name() == "" || v.Name() == "_" {
		return fmt.Sprint(number)
	}
	return v.Name()
}

// checkType refuses a type whose values cannot travel. within are the types on
// the way to it, which may be recursive.
func (m *model) checkType(pos token.Pos, what string, t types.Type, within []types.Type) {
	if slices.ContainsFunc(within, func(other types.Type) bool { return types.Identical(other, t) }) {
		return
	}
	within = append(within, t)
	if !m.importable(pos, what, t) {
		return
	}
	switch kindOf(t) {
	case kindTime, kindProto, kindBinary, kindText:
		return
	}
	show := types.TypeString(t, types.RelativeTo(m.pkg.Types))
	switch u := t.Underlying().(type) {
	case *types.Basic:
		switch {
		case u.Kind() == types.Invalid:
			m.refuse(pos, "the type of %s is not known; does the package compile? A generated reference cannot be an argument: pass a mallee.ID", what)
		case u.Kind() == types.Uintptr || u.Kind() == types.UnsafePointer:
			m.refuse(pos, "%s is a %s, which means nothing on another node; pass the value itself", what, show)
		}
	case *types.Pointer:
		m.checkType(pos, what, u.Elem(), within)
	case *types.Slice:
		m.checkType(pos, what, u.Elem(), within)
	case *types.Array:
		m.checkType(pos, what, u.Elem(), within)
	case *types.Map:
		m.checkType(pos, what, u.Key(), within)
		m.checkType(pos, what, u.Elem(), within)
	case *types.Struct:
		m.checkStruct(pos, what, show, u, within)
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

func (m *model) checkStruct(pos token.Pos, what, show string, s *types.Struct, within []types.Type) {
	names := make(map[string]string)
	for i := range s.NumFields() {
		f := s.Field(i)
		wireName, ok := fieldName(f, s.Tag(i))
		if !ok {
			continue
		}
		if !f.Exported() && !(f.Embedded() && f.Pkg() == m.pkg.Types) {
			m.refuse(pos, "field %s of %s, in %s, is not exported and would be lost; export it, tag it `mallee:\"-\"`, or give %s the methods MarshalBinary and UnmarshalBinary",
				f.Name(), show, what, show)
			continue
		}
		if other, twice := names[wireName]; twice {
			m.refuse(pos, "fields %s and %s of %s have the same name %q on the wire; tag one of them `mallee:\"other_name\"`", other, f.Name(), show, wireName)
		}
		names[wireName] = f.Name()
		m.checkType(pos, fmt.Sprintf("%s (field %s of %s)", what, f.Name(), show), f.Type(), within)
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

// importable refuses types that generated code of this package cannot name.
func (m *model) importable(pos token.Pos, what string, t types.Type) bool {
	named, ok := types.Unalias(t).(*types.Named)
	if !ok || named.Obj().Pkg() == nil || named.Obj().Pkg() == m.pkg.Types {
		return true
	}
	object := named.Obj()
	switch {
	case object.Pkg().Name() == "main":
		m.refuse(pos, "%s has the type %s of a package main, which cannot be imported; move the type to a package of its own", what, object.Name())
	case !object.Exported():
		m.refuse(pos, "%s has the type %s.%s, which is not exported; use a type of your own", what, object.Pkg().Name(), object.Name())
	default:
		return true
	}
	return false
}

// checkNames refuses names that generated declarations would meet.
func (m *model) checkNames() {
	byWire := make(map[string]*actor)
	for _, a := range m.actors {
		if other := byWire[a.wireName]; other != nil {
			m.refuse(a.pos, "actor interfaces %s and %s have the same name %q; give one of them //mallee:actor name=NAME", other.name, a.name, a.wireName)
		}
		byWire[a.wireName] = a
		for _, generated := range []string{a.name + "Ref", a.name + "Of", a.name + "At", a.name + "Type", a.name + "Interface"} {
			if object := m.pkg.Types.Scope().Lookup(generated); object != nil {
				m.refuse(object.Pos(), "%s is a name that is generated for actor %s; call yours something else", generated, a.name)
			}
		}
		for _, method := range a.methods {
			if method.name == "ID" {
				m.refuse(method.pos, "method %s.ID would hide the ID of its reference; call it something else", a.name)
			}
		}
	}
	for _, file := range m.pkg.Syntax {
		for _, imp := range file.Imports {
			if imp.Path.Value == `"C"` && len(m.actors) > 0 {
				m.refuse(imp.Pos(), "package %s uses cgo; declare its actor interfaces in a package without", m.pkg.Name)
			}
		}
	}
}

func isNamed(t types.Type, pkg, name string) bool {
	named, ok := types.Unalias(t).(*types.Named)
	return ok && named.Obj().Name() == name && named.Obj().Pkg() != nil && named.Obj().Pkg().Path() == pkg
}
