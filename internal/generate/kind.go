package generate

import (
	"go/types"
	"strings"
)

// kind says how values of a type travel.
type kind int

const (
	kindBasic kind = iota
	kindTime
	kindProto  // a protobuf message, behind its pointer
	kindBinary // encoding.BinaryMarshaler and BinaryUnmarshaler
	kindText   // encoding.TextMarshaler and TextUnmarshaler
	kindBytes
	kindByteArray
	kindComposite // by its elements: a function of its own encodes it
)

func kindOf(t types.Type) kind {
	switch {
	case isNamed(t, "time", "Time"):
		return kindTime
	case isProto(t):
		return kindProto
	case has(t, "MarshalBinary") && has(t, "UnmarshalBinary"):
		return kindBinary
	case has(t, "MarshalText") && has(t, "UnmarshalText"):
		return kindText
	}
	switch u := t.Underlying().(type) {
	case *types.Basic:
		return kindBasic
	case *types.Slice:
		if isByte(u.Elem()) {
			return kindBytes
		}
	case *types.Array:
		if isByte(u.Elem()) {
			return kindByteArray
		}
	}
	return kindComposite
}

func isByte(t types.Type) bool {
	basic, ok := types.Unalias(t).(*types.Basic)
	return ok && basic.Kind() == types.Uint8
}

func isNamed(t types.Type, pkg, name string) bool {
	named, ok := types.Unalias(t).(*types.Named)
	return ok && named.Obj().Name() == name && named.Obj().Pkg() != nil && named.Obj().Pkg().Path() == pkg
}

// methodOf finds a method that the type, or the pointer to it, declares itself.
// One that it has from an embedded field would encode nothing but that field.
func methodOf(t types.Type, name string) *types.Func {
	switch types.Unalias(t).(type) {
	case *types.Named, *types.Pointer:
	default:
		return nil
	}
	object, path, _ := types.LookupFieldOrMethod(t, true, nil, name)
	if fn, ok := object.(*types.Func); ok && len(path) == 1 {
		return fn
	}
	return nil
}

// has reports whether a variable of the type has the method of the encoding
// package's interfaces of that name. A pointer does not: it can be nil.
func has(t types.Type, name string) bool {
	fn := methodOf(t, name)
	if fn == nil || types.IsInterface(t) {
		return false
	}
	if _, isPointer := types.Unalias(t).(*types.Pointer); isPointer {
		return false
	}
	in, out := fn.Signature().Params(), fn.Signature().Results()
	if strings.HasPrefix(name, "Unmarshal") {
		return in.Len() == 1 && isByteSlice(in.At(0).Type()) && out.Len() == 1 && isError(out.At(0).Type())
	}
	return in.Len() == 0 && out.Len() == 2 && isByteSlice(out.At(0).Type()) && isError(out.At(1).Type())
}

func isByteSlice(t types.Type) bool {
	slice, ok := types.Unalias(t).(*types.Slice)
	return ok && isByte(slice.Elem())
}

func isError(t types.Type) bool { return types.Identical(t, types.Universe.Lookup("error").Type()) }

func isProto(t types.Type) bool {
	if _, ok := types.Unalias(t).(*types.Pointer); !ok {
		return false
	}
	fn := methodOf(t, "ProtoReflect")
	return fn != nil && fn.Signature().Results().Len() == 1 &&
		isNamed(fn.Signature().Results().At(0).Type(), "google.golang.org/protobuf/reflect/protoreflect", "Message")
}

// isReference knows the references that the generator makes.
func isReference(t types.Type) bool {
	named, ok := types.Unalias(t).(*types.Named)
	if !ok || !strings.HasSuffix(named.Obj().Name(), "Ref") {
		return false
	}
	fn := methodOf(t, "ID")
	return fn != nil && fn.Signature().Results().Len() == 1 && isNamed(fn.Signature().Results().At(0).Type(), malleePath, "ID")
}

// copies reports whether a call on one node has to change a value on its way
// for it to be what another node would get: it shares memory with the sender,
// has fields that stay behind, or is a time in a zone.
func (m *model) copies(t types.Type) bool {
	if m.isImmutable(t) {
		return false
	}
	switch kindOf(t) {
	case kindBasic, kindByteArray:
		return false
	case kindTime, kindProto, kindBytes:
		return true
	case kindBinary, kindText:
		return m.shares(t)
	}
	switch u := t.Underlying().(type) {
	case *types.Pointer:
		return !m.isImmutable(u.Elem())
	case *types.Array:
		return m.copies(u.Elem())
	case *types.Struct:
		for i := range u.NumFields() {
			f := u.Field(i)
			if _, travels := fieldName(f, u.Tag(i)); f.Name() != "_" && !travels || travels && m.copies(f.Type()) {
				return true
			}
		}
		return false
	}
	return true
}

// shares reports whether a plain copy of a value that marshals itself shares
// memory with it.
func (m *model) shares(t types.Type) bool {
	if m.isImmutable(t) || isNamed(t, "time", "Time") {
		return false
	}
	switch u := t.Underlying().(type) {
	case *types.Basic:
		return false
	case *types.Array:
		return m.shares(u.Elem())
	case *types.Struct:
		for f := range u.Fields() {
			if m.shares(f.Type()) {
				return true
			}
		}
		return false
	}
	return true
}

// isImmutable reports whether nobody changes values of the type, because it is
// marked so or is known in the standard library.
func (m *model) isImmutable(t types.Type) bool {
	named, ok := types.Unalias(t).(*types.Named)
	if !ok {
		return false
	}
	object := named.Obj()
	return m.immutable[object] || object.Pkg() != nil && object.Pkg().Path() == "net/netip"
}
