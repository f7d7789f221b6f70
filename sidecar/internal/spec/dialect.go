package spec

import (
	"google.golang.org/protobuf/types/descriptorpb"
)

// dialect tells the two versions of replicated entities apart. What counts is
// the number under which the user function's own cloudstate/entity_key.proto
// declares the option: the version that libraries announce is wrong for some.
func (l *loader) dialect(files []*descriptorpb.FileDescriptorProto) Dialect {
	if l.options.Dialect != nil {
		return *l.options.Dialect
	}
	for _, f := range files {
		for _, x := range f.GetExtension() {
			if f.GetPackage() != "cloudstate" || x.GetName() != "entity_key" || x.GetExtendee() != ".google.protobuf.FieldOptions" {
				continue
			}
			switch x.GetNumber() {
			case 1080:
				return Dialect02
			case 50002:
				return Dialect01
			}
		}
	}
	if l.info.GetProtocolMinorVersion() == 2 {
		return Dialect02
	}
	return Dialect01
}
