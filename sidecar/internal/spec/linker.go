package spec

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

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
		err = k.registerTypes(f)
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

// scope is a file or a message.
type scope interface {
	Enums() protoreflect.EnumDescriptors
	Messages() protoreflect.MessageDescriptors
}

// registerTypes makes types of all messages and enums of a scope.
func (l *loader) registerTypes(in scope) error {
	for i := range in.Enums().Len() {
		if err := l.model.Types.RegisterEnum(dynamicpb.NewEnumType(in.Enums().Get(i))); err != nil {
			return err
		}
	}
	for i := range in.Messages().Len() {
		m := in.Messages().Get(i)
		if err := l.model.Types.RegisterMessage(dynamicpb.NewMessageType(m)); err != nil {
			return err
		}
		if err := l.registerTypes(m); err != nil {
			return err
		}
	}
	return nil
}
