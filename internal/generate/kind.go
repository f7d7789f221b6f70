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
	kindComposite // by its elements: a function of its own encodes it
)

func kindOf(t types.Type) kind {
	switch {
	case isNamed(t, "time", "Time"):
		return kindTime
	case isProto(t):
		return kindProto
	}
	if _, isPointer := types.Unalias(t).(*types.Pointer); !isPointer {
		switch {
		case has(t, "MarshalBinary") && has(t, "UnmarshalBinary"):
			return kindBinary
		case has(t, "MarshalText") && has(t, "UnmarshalText"):
			return kindText
		}
	}
	switch u := t.Underlying().(type) {
	case *types.Basic:
		return kindBasic
	case *types.Slice:
		if elem, ok := types.Unalias(u.Elem()).(*types.Basic); ok && elem.Kind() == types.Uint8 {
			return kindBytes
		}
	}
	return kindComposite
}

// has reports whether a variable of the type has the method of the encoding
// package's interfaces of that name.
func has(t types.Type, method string) bool {
	object, _, indirect := types.LookupFieldOrMethod(t, true, nil, method)
	fn, ok := object.(*types.Func)
	if !ok || indirect {
		return false
	}
	params, results := fn.Signature().Params(), fn.Signature().Results()
	if strings.HasPrefix(method, "Unmarshal") {
		return params.Len() == 1 && results.Len() == 1
	}
	return params.Len() == 0 && results.Len() == 2
}

func isProto(t types.Type) bool {
	pointer, ok := types.Unalias(t).(*types.Pointer)
	if !ok {
		return false
	}
	object, _, _ := types.LookupFieldOrMethod(pointer, false, nil, "ProtoReflect")
	fn, ok := object.(*types.Func)
	return ok && fn.Signature().Results().Len() == 1 &&
		isNamed(fn.Signature().Results().At(0).Type(), "google.golang.org/protobuf/reflect/protoreflect", "Message")
}

// holdsReferences reports whether a copy of a value shares memory with it.
func (m *model) holdsReferences(t types.Type, within []types.Type) bool {
	for _, other := range within {
		if types.Identical(other, t) {
			return false
		}
	}
	within = append(within, t)
	if named, ok := types.Unalias(t).(*types.Named); ok {
		if m.immutable[named.Obj()] || isImmutable(named.Obj()) {
			return false
		}
	}
	switch u := t.Underlying().(type) {
	case *types.Pointer, *types.Slice, *types.Map:
		return true
	case *types.Array:
		return m.holdsReferences(u.Elem(), within)
	case *types.Struct:
		for i := range u.NumFields() {
			if m.holdsReferences(u.Field(i).Type(), within) {
				return true
			}
		}
	case *types.Interface, *types.Signature, *types.Chan: // inside of a type that marshals itself
		return true
	}
	return false
}

// isImmutable knows types of the standard library whose values never change.
func isImmutable(object *types.TypeName) bool {
	if object.Pkg() == nil {
		return false
	}
	switch object.Pkg().Path() {
	case "time", "net/netip":
		return true
	}
	return false
}
