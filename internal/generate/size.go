package generate

import "go/types"

// bytesPerByte is the one of wire.Decoder: it lets the values of an input take
// so many times its length in memory.
const bytesPerByte = 32

// charge is what a decoder accounts for an element of a slice or map: what it
// takes in memory, but no more than is allowed for the least that an encoder
// writes for it. Otherwise a decoder could refuse what an encoder wrote.
func charge(t types.Type) int64 { return min(sizeOf(t), bytesPerByte*least(t)) }

// chargePointed is the charge for what a pointer points to. The pointer itself
// has been charged where it is, on account of the same bytes.
func chargePointed(t types.Type) int64 { return max(0, charge(t)-bytesPerByte) }

// sizeOf is what a value takes in memory on the largest machines.
func sizeOf(t types.Type) int64 { return types.SizesFor("gc", "amd64").Sizeof(t) }

// least is the length of the shortest encoding that this program writes for a
// type. Others may write less: fields that they do not know are missing.
func least(t types.Type) int64 {
	switch kindOf(t) {
	case kindTime:
		return 15
	case kindBinary, kindByteArray:
		return 2
	case kindText, kindProto, kindBytes:
		return 1
	}
	switch u := t.Underlying().(type) {
	case *types.Basic:
		switch u.Kind() {
		case types.Float32:
			return 5
		case types.Float64:
			return 9
		case types.Complex64, types.Complex128:
			return 19
		}
	case *types.Array:
		return 1 + u.Len()*least(u.Elem())
	case *types.Struct:
		n := int64(1)
		for _, f := range travelling(u) {
			n += 1 + int64(len(f.wire)) + least(f.typ)
		}
		return n
	}
	return 1
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
