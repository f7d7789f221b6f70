package spec

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
)

// maxFiles bounds how deep imports can be.
const maxFiles = 10_000

// parse reads a FileDescriptorSet: each file once, since some libraries repeat
// them, in the order of the set.
func (l *loader) parse(b []byte) []*descriptorpb.FileDescriptorProto {
	l.model.Types = &protoregistry.Types{}
	for _, x := range []protoreflect.ExtensionType{
		cloudstatepb.E_EntityKey, cloudstatepb.E_LegacyEntityKey, cloudstatepb.E_Eventing, annotations.E_Http,
	} {
		if err := l.model.Types.RegisterExtension(x); err != nil {
			l.errorf("extension %s: %v", x.TypeDescriptor().FullName(), err)
		}
	}
	set := &descriptorpb.FileDescriptorSet{}
	err := proto.UnmarshalOptions{Resolver: l.model.Types, AllowPartial: true}.Unmarshal(b, set)
	if err != nil {
		l.errorf("field proto of the EntitySpec is not a google.protobuf.FileDescriptorSet: %s: "+
			"build the user function's descriptors again with protoc", plain(err))
		return nil
	}
	if len(set.GetFile()) > maxFiles {
		l.errorf("the descriptor set has %d files, and at most %d are allowed: send only those that the services import", len(set.GetFile()), maxFiles)
		return nil
	}
	seen := map[string]bool{}
	return slices.DeleteFunc(set.GetFile(), func(f *descriptorpb.FileDescriptorProto) bool {
		repeated := seen[f.GetName()]
		seen[f.GetName()] = true
		return repeated
	})
}

// link makes descriptors of the files, whatever their order.
func (l *loader) link(protos []*descriptorpb.FileDescriptorProto) {
	k := linker{
		loader: l,
		files:  &protoregistry.Files{},
		protos: map[string]*descriptorpb.FileDescriptorProto{},
		states: map[string]state{},
		absent: map[string][]string{},
	}
	for _, p := range protos {
		k.protos[p.GetName()] = p
	}
	for _, p := range protos {
		k.link(p.GetName(), nil)
	}
	l.model.Files = k.files
	l.registerTypes()
}

// linker links files, each after what it imports.
type linker struct {
	*loader
	files  *protoregistry.Files
	protos map[string]*descriptorpb.FileDescriptorProto
	states map[string]state
	absent map[string][]string // imports that were taken out of a file
}

type state uint8

const (
	untouched state = iota
	linking
	linked
	absent // the user function has not sent it
	failed // and so does all that imports it
)

// link links one file. The path are the files that led to it, each importing
// the next one.
func (k *linker) link(name string, path []string) state {
	path = append(path, name)
	if s := k.states[name]; s == linking {
		k.errorf("files import each other: %s: take one of the imports out", strings.Join(path[slices.Index(path, name):], " -> "))
		return failed
	} else if s != untouched {
		return s
	}
	p := k.protos[name]
	if p == nil {
		p = wellKnown(name)
	}
	if p == nil {
		k.states[name] = absent
		return absent
	}
	k.states[name] = linking
	s := failed
	if k.linkImports(p, path) && k.register(p) {
		s = linked
	}
	k.states[name] = s
	return s
}

// linkImports links what a file imports, and takes out of it the imports that
// are absent: they do no harm unless a type of theirs is used.
func (k *linker) linkImports(p *descriptorpb.FileDescriptorProto, path []string) (ok bool) {
	var dependencies []string
	moved := map[int32]int32{}
	ok = true
	for i, name := range p.GetDependency() {
		switch k.link(name, path) {
		case absent:
			k.absent[p.GetName()] = append(k.absent[p.GetName()], name)
			continue
		case failed:
			ok = false
		}
		moved[int32(i)] = int32(len(dependencies))
		dependencies = append(dependencies, name)
	}
	p.Dependency = dependencies
	p.PublicDependency = move(p.GetPublicDependency(), moved)
	p.WeakDependency = move(p.GetWeakDependency(), moved)
	return ok
}

// move is a list of indexes after imports were taken out.
func move(indexes []int32, moved map[int32]int32) (out []int32) {
	for _, i := range indexes {
		if to, ok := moved[i]; ok {
			out = append(out, to)
		}
	}
	return out
}

func (k *linker) register(p *descriptorpb.FileDescriptorProto) bool {
	f, err := protodesc.NewFile(p, k.files)
	if err == nil {
		err = k.files.RegisterFile(f)
	}
	if err == nil {
		return true
	}
	text := plain(err)
	if path := k.pathToAbsent(p.GetName(), map[string]bool{}); path != nil {
		text += "; the descriptor set lacks an import: " + strings.Join(path, " -> ")
	}
	k.errorf("file %s: %s", p.GetName(), text)
	return false
}

// pathToAbsent is the first way from a file to an import that was taken out;
// nil: there is none. Seen are files from which there is no way.
func (k *linker) pathToAbsent(name string, seen map[string]bool) []string {
	if len(k.absent[name]) > 0 {
		return []string{name, k.absent[name][0]}
	}
	seen[name] = true
	for _, next := range k.protos[name].GetDependency() {
		if seen[next] {
			continue
		}
		if path := k.pathToAbsent(next, seen); path != nil {
			return append([]string{name}, path...)
		}
	}
	return nil
}

// wellKnown is a file that every library has, so that some do not send it; nil:
// it is not one.
func wellKnown(name string) *descriptorpb.FileDescriptorProto {
	if !strings.HasPrefix(name, "google/protobuf/") && !strings.HasPrefix(name, "google/api/") {
		return nil
	}
	f, err := protoregistry.GlobalFiles.FindFileByPath(name)
	if err != nil {
		return nil
	}
	return protodesc.ToFileDescriptorProto(f)
}

// registerTypes makes types of all messages and enums.
func (l *loader) registerTypes() {
	files := map[string]protoreflect.FileDescriptor{}
	l.model.Files.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		files[f.Path()] = f
		return true
	})
	for _, path := range slices.Sorted(maps.Keys(files)) {
		err := errors.Join(l.registerEnums(files[path].Enums()), l.registerMessages(files[path].Messages()))
		if err != nil {
			l.errorf("file %s: %s", path, plain(err))
		}
	}
}

func (l *loader) registerMessages(all protoreflect.MessageDescriptors) error {
	var errs []error
	for i := range all.Len() {
		m := all.Get(i)
		if !m.IsMapEntry() {
			errs = append(errs, l.model.Types.RegisterMessage(dynamicpb.NewMessageType(m)))
		}
		errs = append(errs, l.registerEnums(m.Enums()), l.registerMessages(m.Messages()))
	}
	return errors.Join(errs...)
}

func (l *loader) registerEnums(all protoreflect.EnumDescriptors) error {
	var errs []error
	for i := range all.Len() {
		errs = append(errs, l.model.Types.RegisterEnum(dynamicpb.NewEnumType(all.Get(i))))
	}
	return errors.Join(errs...)
}

// plain is the text of an error of the protobuf module without its mark, whose
// spaces differ between builds so that nobody compares them.
func plain(err error) string {
	text := strings.ReplaceAll(err.Error(), "\u00a0", " ")
	return strings.TrimSpace(strings.ReplaceAll(text, "proto: ", ""))
}
