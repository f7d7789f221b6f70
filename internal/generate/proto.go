package generate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/protoutil"
	"github.com/bufbuild/protocompile/reporter"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/genproto/googleapis/api/httpbody"
	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/pluginpb"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
)

// protos are the files whose services a package has as actor interfaces.
type protos struct {
	roots []string // folders that names are relative to, absolute
	names []string // of the files, as other protos import them
	base  string   // paths in messages are relative to it
}

// givenProtos are those of the configuration.
func givenProtos(c Config, base string) (*protos, Problems) {
	p := &protos{base: base}
	for _, root := range c.ProtoPath {
		p.roots = append(p.roots, absolute(base, root))
	}
	if len(p.roots) == 0 {
		p.roots = []string{base}
	}
	var problems Problems
	for _, file := range c.Protos {
		name, ok := p.name(file)
		if !ok {
			problems = append(problems, fmt.Sprintf("%s: is not there, or lies outside of every --proto-path; add --proto-path with the folder that its imports are relative to", file))
		}
		if !slices.Contains(p.names, name) {
			p.names = append(p.names, name)
		}
	}
	return p, problems
}

// name is that of a file below one of the roots, given by its path or by that name.
func (p *protos) name(file string) (string, bool) {
	path := absolute(p.base, file)
	for _, root := range p.roots {
		if name, err := filepath.Rel(root, path); err == nil && filepath.IsLocal(name) && exists(path) {
			return filepath.ToSlash(name), true
		}
	}
	_, ok := p.find(file)
	return filepath.ToSlash(file), ok
}

// find is where a file lies, by its name.
func (p *protos) find(name string) (string, bool) {
	for _, root := range p.roots {
		if path := filepath.Join(root, filepath.FromSlash(name)); exists(path) {
			return path, true
		}
	}
	return name, false
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func absolute(base, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(base, path)
}

// compile gives the files, in order, with the names that protoc-gen-go gives to
// what it makes of them.
func (p *protos) compile(ctx context.Context) ([]*protogen.File, error) {
	var problems Problems
	compiler := protocompile.Compiler{
		Resolver: protocompile.WithStandardImports(protocompile.ResolverFunc(p.open)),
		Reporter: reporter.NewReporter(func(err reporter.ErrorWithPos) error {
			problems = append(problems, p.explain(err))
			return nil
		}, nil),
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	linked, err := compiler.Compile(ctx, p.names...)
	var placed reporter.ErrorWithPos
	switch {
	case len(problems) > 0:
		return nil, problems
	case errors.As(err, &placed):
		return nil, Problems{p.explain(placed)}
	case err != nil:
		return nil, fmt.Errorf("compile %s: %w", strings.Join(p.names, ", "), err)
	}
	request := &pluginpb.CodeGeneratorRequest{FileToGenerate: p.names}
	seen := make(map[string]bool)
	for _, file := range linked {
		addFile(request, seen, file)
	}
	plugin, err := protogen.Options{}.New(request)
	if err != nil {
		return nil, Problems{fmt.Sprintf("%s: names of Go are not known: %v", strings.Join(p.names, ", "), err)}
	}
	var files []*protogen.File
	for _, name := range p.names {
		files = append(files, plugin.FilesByPath[name])
	}
	return files, nil
}

// open finds a file, or one of those that protos may import without having
// them. Those of protobuf itself come in its place where there is none.
func (p *protos) open(name string) (protocompile.SearchResult, error) {
	if path, ok := p.find(name); ok {
		file, err := os.Open(path)
		return protocompile.SearchResult{Source: file}, err
	}
	for _, file := range []protoreflect.FileDescriptor{
		annotations.File_google_api_annotations_proto,
		annotations.File_google_api_http_proto,
		httpbody.File_google_api_httpbody_proto,
		cloudstatepb.File_cloudstate_entity_key_proto,
		cloudstatepb.File_cloudstate_eventing_proto,
		cloudstatepb.File_cloudstate_legacy_entity_key_proto,
	} {
		if file.Path() == name {
			return protocompile.SearchResult{Desc: file}, nil
		}
	}
	return protocompile.SearchResult{}, fmt.Errorf("%s is in no folder of --proto-path", name)
}

// explain says what the compiler refuses, and where.
func (p *protos) explain(err reporter.ErrorWithPos) string {
	at := err.GetPosition()
	return fmt.Sprintf("%s:%d:%d: %v", p.show(at.Filename), at.Line, at.Col, err.Unwrap())
}

// missingPackage stands for the Go package of a file that does not name it.
// Only a service that uses the file's messages has to mind.
const missingPackage = "missing/go_package"

// addFile adds a file behind those that it imports.
func addFile(request *pluginpb.CodeGeneratorRequest, seen map[string]bool, file protoreflect.FileDescriptor) {
	if seen[file.Path()] {
		return
	}
	seen[file.Path()] = true
	for i := range file.Imports().Len() {
		addFile(request, seen, file.Imports().Get(i).FileDescriptor)
	}
	described := protoutil.ProtoFromFileDescriptor(file)
	if described.GetOptions().GetGoPackage() == "" {
		parameter := request.GetParameter() + ",M" + file.Path() + "=" + missingPackage
		request.Parameter = &parameter
	}
	request.ProtoFile = append(request.ProtoFile, described)
}

// show is the path of a file in messages.
func (p *protos) show(name string) string {
	path, _ := p.find(name)
	if short, err := filepath.Rel(p.base, path); err == nil && filepath.IsAbs(path) {
		return short
	}
	return path
}

// at begins a message about a part of a file.
func (p *protos) at(d protoreflect.Descriptor) string {
	file := d.ParentFile()
	place := file.SourceLocations().ByDescriptor(d)
	return fmt.Sprintf("%s:%d:%d: ", p.show(file.Path()), place.StartLine+1, place.StartColumn+1)
}
