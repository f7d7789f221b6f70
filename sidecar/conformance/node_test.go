package conformance_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/mallee-io/mallee/internal/gen/tckpb/tckaction"
	"github.com/mallee-io/mallee/internal/gen/tckpb/tckcrdt"
	"github.com/mallee-io/mallee/sidecar/sidecartest"
)

// The models of event sourced and of replicated entities, and a stateless
// function, with the only library for Node that was published. It speaks the old
// dialect.
func TestNode(t *testing.T) {
	nodeSupport().conforms(t)
}

// Why checks of replicated entities are skipped.
const (
	nestedElements = "the library ends when a map is given to it with a set, a register or a map in it"
	changesFirst   = "the library sends what follows a change before the reply with the change"
	noConsistency  = "the library has no write consistency"
	noPassivation  = "the library cannot say when entities end"
)

func nodeSupport() library {
	return library{
		name:  "node-support 0.0.3",
		needs: []string{"npm", "c++", "make", "python3"},
		models: merge(
			except(nestedElements, 149, 150, 151, 152, 153, 154),
			except(changesFirst, 172, 173, 174, 176),
			except(noConsistency, 177),
			except(noPassivation, 97),
		),
		proxies: merge(
			except("a stateless function is asked in another way than an action", 37, 38, 39, 40, 41, 42, 43, 44, 45),
			except(changesFirst, 181),
			except(noPassivation, 183),
		),
		unreadable: true,
		replicated: true,
		more: func(t *testing.T, function string) {
			t.Run("Stateless", func(t *testing.T) { stateless(t, function) })
			t.Run("Defaults", func(t *testing.T) { defaults(t, function) })
		},
		build: func(w *workshop) []string {
			dir := filepath.Join(w.dir, "node")
			w.copy("node", dir)
			modules := filepath.Join(dir, "node_modules")
			w.fetch(dir, "npm", "install", "--ignore-scripts", "--no-audit", "--no-fund")
			old := oldNode(w, modules)
			buildGRPC(w, modules, old)

			// What the library's own scripts would get from elsewhere when it is
			// installed: protoc's files, and the program that makes this set.
			library := filepath.Join(modules, "cloudstate")
			if err := os.MkdirAll(filepath.Join(library, "protoc"), 0o755); err != nil {
				w.Fatal(err)
			}
			err := os.Symlink(filepath.Join(modules, "protobufjs"), filepath.Join(library, "protoc", "include"))
			if err != nil && !errors.Is(err, fs.ErrExist) {
				w.Fatal(err)
			}
			set := compile(w, []string{filepath.Join(library, "proto"), repositoryFile(w, "proto")}, "sidecartest/eventsourced.proto", "sidecartest/action.proto", "sidecartest/crdt.proto")
			if err := os.WriteFile(filepath.Join(dir, "user-function.desc"), set, 0o644); err != nil {
				w.Fatal(err)
			}
			w.Setenv("PROTOS", repositoryFile(w, "proto"))
			w.Chdir(dir) // the library looks for its set there
			return []string{old, filepath.Join(dir, "function.js")}
		},
	}
}

// stateless checks calls of a stateless function: each message of a stream has to
// name what is called. One that is streamed in ends the library's process.
func stateless(t *testing.T, function string) {
	client := tckaction.NewActionTckModelClient(connect(t, start(t, function, 0).Addr()))
	ctx, cancel := context.WithTimeout(t.Context(), sidecartest.Patience)
	defer cancel()

	got, err := client.ProcessUnary(ctx, saying("A"))
	if err != nil || got.GetMessage() != "A" {
		t.Errorf("unary: %v, %v", got, err)
	}

	out, err := client.ProcessStreamedOut(ctx, saying("A", "B"))
	if err != nil {
		t.Fatal(err)
	}
	receives(t, out, "A", "B")
	if got, err := out.Recv(); err != io.EOF {
		t.Errorf("the stream does not end: %v, %v", got, err)
	}

	both, err := client.ProcessStreamed(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"A", "B"} {
		if err := both.Send(saying(text)); err != nil {
			t.Fatal(err)
		}
		receives(t, both, text)
	}
}

// defaults changes a value that the library has made by itself, and has not told:
// to it the value is there.
func defaults(t *testing.T, function string) {
	client := tckcrdt.NewCrdtConfiguredClient(connect(t, start(t, function, 0).Addr()))
	ctx, cancel := context.WithTimeout(t.Context(), sidecartest.Patience)
	defer cancel()
	increment := &tckcrdt.Update{Update: &tckcrdt.Update_Gcounter{Gcounter: &tckcrdt.GCounterUpdate{Increment: 1}}}
	actions := []*tckcrdt.RequestAction{{Action: &tckcrdt.RequestAction_Update{Update: increment}}}
	for i, request := range []*tckcrdt.Request{{Id: "it"}, {Id: "it", Actions: actions}, {Id: "it", Actions: actions}, {Id: "it"}} {
		got, err := client.Call(ctx, request)
		if want := uint64(min(i, 2)); err != nil || got.GetState().GetGcounter().GetValue() != want {
			t.Fatalf("call %d: %v, %v; want %d", i, got, err, want)
		}
	}
}

// saying makes a request for replies.
func saying(texts ...string) *tckaction.Request {
	req := &tckaction.Request{}
	for _, text := range texts {
		step := &tckaction.ProcessStep{Step: &tckaction.ProcessStep_Reply{Reply: &tckaction.Reply{Message: text}}}
		req.Groups = append(req.Groups, &tckaction.ProcessGroup{Steps: []*tckaction.ProcessStep{step}})
	}
	return req
}

func receives(t *testing.T, stream interface {
	Recv() (*tckaction.Response, error)
}, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if got, err := stream.Recv(); err != nil || got.GetMessage() != text {
			t.Fatalf("a stream has %v, %v, want %q", got, err, text)
		}
	}
}

// oldNode is the newest Node that the library's gRPC can be built for.
func oldNode(w *workshop, modules string) string {
	arch := runtime.GOARCH
	if arch == "amd64" {
		arch = "x64"
	}
	program := filepath.Join(modules, "node-"+runtime.GOOS+"-"+arch, "bin", "node")
	if _, err := os.Stat(program); err != nil {
		w.skip("there is no Node 12 for %s/%s", runtime.GOOS, runtime.GOARCH)
	}
	return program
}

// buildGRPC gets the native part of the library's gRPC, or makes it, which takes
// minutes, once.
func buildGRPC(w *workshop, modules, node string) {
	w.Setenv("npm_config_nodedir", filepath.Dir(filepath.Dir(node)))
	w.Setenv("npm_config_node_gyp", filepath.Join(modules, "node-gyp", "bin", "node-gyp.js"))
	w.Setenv("CXXFLAGS", "-O0 -w -include limits") // compilers are stricter now
	w.Setenv("CFLAGS", "-O0 -w")
	w.Setenv("JOBS", "max")
	w.fetch(filepath.Join(modules, "grpc"), node, filepath.Join(modules, "@mapbox", "node-pre-gyp", "bin", "node-pre-gyp"),
		"install", "--fallback-to-build", "--library=static_library")
}

// compile makes the descriptor set of proto files and of what they import.
func compile(w *workshop, paths []string, names ...string) []byte {
	compiler := protocompile.Compiler{Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: paths})}
	files, err := compiler.Compile(context.WithoutCancel(w.Context()), names...)
	if err != nil {
		w.Fatal(err)
	}
	var set descriptorpb.FileDescriptorSet
	seen := map[string]bool{}
	var add func(protoreflect.FileDescriptor)
	add = func(f protoreflect.FileDescriptor) {
		if seen[f.Path()] {
			return
		}
		seen[f.Path()] = true
		for i := range f.Imports().Len() {
			add(f.Imports().Get(i).FileDescriptor)
		}
		set.File = append(set.File, protodesc.ToFileDescriptorProto(f))
	}
	for _, f := range files {
		add(f)
	}
	text, err := proto.Marshal(&set)
	if err != nil {
		w.Fatal(err)
	}
	return text
}
