package generate

import (
	"context"
	"errors"
	"fmt"
	"go/types"
	"strings"

	"golang.org/x/tools/go/packages"
	"google.golang.org/protobuf/compiler/protogen"
)

// services are those of a package's protos, with the Go packages that hold
// their messages.
type services struct {
	*protos
	files    []*protogen.File
	packages map[string]*packages.Package // by import path
}

// loadServices compiles the protos of the packages, by their folders.
func loadServices(ctx context.Context, c Config, base string, found []*packages.Package) (map[string]*services, error) {
	byFolder := make(map[string]*services)
	var problems Problems
	for _, p := range found {
		of := recordedProtos(generatedFiles(p.Dir), base)
		if len(c.Protos) > 0 {
			if len(found) > 1 {
				return nil, fmt.Errorf("--proto is for one package, and %d match %s", len(found), strings.Join(c.Patterns, " "))
			}
			var wrong Problems
			of, wrong = givenProtos(c, base)
			problems = append(problems, wrong...)
		}
		if of == nil || len(problems) > 0 {
			continue
		}
		files, err := of.compile(ctx)
		var refused Problems
		switch {
		case errors.As(err, &refused):
			problems = append(problems, refused...)
		case err != nil:
			return nil, err
		}
		byFolder[p.Dir] = &services{protos: of, files: files}
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return byFolder, nil
}

// in tells where the messages are.
func (s *services) in(byPath map[string]*packages.Package) *services {
	if s != nil {
		s.packages = byPath
	}
	return s
}

// messagePackages are the import paths of the messages that the services take
// and return.
func (s *services) messagePackages() (paths []string) {
	seen := map[protogen.GoImportPath]bool{missingPackage: true}
	for _, file := range s.files {
		for _, service := range file.Services {
			for _, rpc := range service.Methods {
				for _, message := range []*protogen.Message{rpc.Input, rpc.Output} {
					if path := message.GoIdent.GoImportPath; !seen[path] {
						seen[path] = true
						paths = append(paths, string(path))
					}
				}
			}
		}
	}
	return paths
}

// readServices makes an actor interface of each service.
func (m *model) readServices() (problems Problems) {
	if m.pkg.services == nil {
		return nil
	}
	for _, file := range m.pkg.services.files {
		if len(file.Services) == 0 {
			problems = append(problems, m.pkg.services.show(file.Desc.Path())+":1:1: has no services; name a file that has one")
		}
		for _, service := range file.Services {
			problems = append(problems, m.readService(service)...)
		}
	}
	return problems
}

func (m *model) readService(service *protogen.Service) (problems Problems) {
	a := &actor{name: service.GoName, wireName: string(service.Desc.FullName()), doc: prose(service.Comments.Leading), service: true}
	m.actors = append(m.actors, a)
	if pos, taken := m.declared(a.name); taken {
		m.refuse(pos, "%s is a name that is generated for the service %s; call yours something else", a.name, a.wireName)
	}
	byName := make(map[string]*protogen.Method)
	for _, rpc := range service.Methods {
		place := m.pkg.services.at(rpc.Desc)
		if problem := m.readRPC(a, rpc); problem != "" {
			problems = append(problems, place+problem)
		}
		if other := byName[rpc.GoName]; other != nil {
			problems = append(problems, fmt.Sprintf("%srpc %s and rpc %s have the same name %s in Go; rename one of them", place, other.Desc.Name(), rpc.Desc.Name(), rpc.GoName))
		}
		byName[rpc.GoName] = rpc
	}
	return problems
}

// readRPC makes a method of an rpc, or says why it cannot.
func (m *model) readRPC(a *actor, rpc *protogen.Method) (problem string) {
	switch {
	case rpc.Desc.IsStreamingClient() || rpc.Desc.IsStreamingServer():
		a.streams = append(a.streams, string(rpc.Desc.Name()))
		return ""
	case rpc.GoName == "ID":
		return fmt.Sprintf("rpc %s would hide the ID of its reference; call it something else", rpc.Desc.Name())
	}
	in, problem := m.messageType(rpc.Input)
	if problem != "" {
		return fmt.Sprintf("rpc %s takes %s", rpc.Desc.Name(), problem)
	}
	out, problem := m.messageType(rpc.Output)
	if problem != "" {
		return fmt.Sprintf("rpc %s returns %s", rpc.Desc.Name(), problem)
	}
	a.methods = append(a.methods, &method{
		name: rpc.GoName, wireName: string(rpc.Desc.Name()), doc: prose(rpc.Comments.Leading),
		args:    []param{{name: "in", field: "In", typ: in}},
		results: []param{{name: "result", field: "Result", typ: out}},
	})
	return ""
}

// messageType is the Go type that protoc-gen-go has made of a message, or why
// there is none.
func (m *model) messageType(message *protogen.Message) (t types.Type, problem string) {
	s, path := m.pkg.services, string(message.GoIdent.GoImportPath)
	if path == missingPackage {
		return nil, fmt.Sprintf("%s, of which no Go package is known; add option go_package to %s", message.Desc.FullName(), s.show(message.Desc.ParentFile().Path()))
	}
	p := s.packages[path]
	switch {
	case p == nil || p.Types == nil || p.Name == "":
		return nil, fmt.Sprintf("%s of Go package %s, which is not found%s; set option go_package to where the code of protoc-gen-go lies", message.Desc.FullName(), path, firstError(p))
	case p.Types != m.pkg.Types && (p.Name == "main" || !reaches(m.pkg.PkgPath, path)):
		return nil, fmt.Sprintf("%s of Go package %s, which this package cannot import; generate the code elsewhere", message.Desc.FullName(), path)
	}
	object := p.Types.Scope().Lookup(message.GoIdent.GoName)
	if object == nil || !isProto(types.NewPointer(object.Type())) {
		return nil, fmt.Sprintf("%s, but Go package %s has no message %s; run protoc with protoc-gen-go first", message.Desc.FullName(), path, message.GoIdent.GoName)
	}
	return types.NewPointer(object.Type()), ""
}

func firstError(p *packages.Package) string {
	if p == nil || len(p.Errors) == 0 {
		return ""
	}
	line, _, _ := strings.Cut(p.Errors[0].Msg, "\n")
	return " (" + line + ")"
}

// prose is a comment without its margin.
func prose(comment protogen.Comments) string {
	lines := strings.Split(string(comment), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(strings.TrimPrefix(line, " "), " \t")
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

// declaration is the comment above the interface of a service.
func (a *actor) declaration() string {
	var b strings.Builder
	if a.doc == "" {
		fmt.Fprintf(&b, "%s is the service %s.", a.name, a.wireName)
	} else {
		fmt.Fprintf(&b, "%s\n\nIt is the service %s.", a.doc, a.wireName)
	}
	if len(a.streams) > 0 {
		fmt.Fprintf(&b, " Left out, because a call has one\nmessage and one answer: %s.", strings.Join(a.streams, ", "))
	}
	return b.String()
}
