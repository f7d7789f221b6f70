package generate_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mallee-io/mallee/internal/generate"
)

const shopPackage = "package m\n"

// shop is a proto whose service has the methods, and whose messages need no
// generated code. Its first method stands in line 8.
func shop(options, methods string) string {
	return `syntax = "proto3";
package com.example;
import "google/protobuf/empty.proto";
import "google/api/httpbody.proto";
import "cloudstate/eventing.proto";
` + options + `
service Shop {
` + methods + `
}
`
}

const (
	inPackage = `option go_package = "example.com/m";`
	doNothing = `rpc Do(google.protobuf.Empty) returns (google.protobuf.Empty);`
)

func TestProtosThatDoNotCompile(t *testing.T) {
	t.Parallel()
	for source, want := range map[string]string{
		shop(inPackage, "rpc Do("):                                "a.proto:9:1: syntax error",
		shop(inPackage, "rpc Do(Gone) returns (Gone);"):           "a.proto:8:8: ",
		"syntax = \"proto3\";\nimport \"sub/gone.proto\";\n":      "a.proto:2:8: sub/gone.proto is in no folder of --proto-path",
		"syntax = \"proto3\";\nmessage M { M m = 1; M n = 1; }\n": "a.proto:2:",
		shop(`option go_package = "m";`, doNothing):               "a.proto: names of Go are not known: ",
	} {
		dir := project(t, map[string]string{"m.go": shopPackage, "a.proto": source})
		_, err := generate.Run(t.Context(), generate.Config{Dir: dir, Protos: []string{"a.proto"}})
		var problems generate.Problems
		if !errors.As(err, &problems) || !strings.HasPrefix(problems[0], want) {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
}

// All that is wrong is said at once, with its place.
func TestRefusedServices(t *testing.T) {
	t.Parallel()
	const (
		withMessage = "syntax = \"proto3\";\npackage %s;\noption go_package = \"%s\";\nmessage M {}\n"
		known       = "google.golang.org/protobuf/types/known/emptypb"
		internal    = "google.golang.org/protobuf/internal/errors"
	)
	source := strings.Replace(shop(inPackage+` import "unnamed.proto"; import "gone.proto"; import "known.proto"; import "internal.proto";`, ""+
		"rpc Unnamed(unnamed.M) returns (gone.M);\n"+
		"rpc Gone(google.protobuf.Empty) returns (gone.M);\n"+
		"rpc Known(known.M) returns (gone.M);\n"+
		"  rpc Internal(internal.M) returns (gone.M);\n"+
		strings.Replace(doNothing, "Do", "ID", 1)+"\n"+
		doNothing+"\n"+
		strings.Replace(doNothing, "Do", "do", 1)), "Shop", "Refused", 1)
	dir := project(t, map[string]string{
		"m.go":           shopPackage + "\ntype Refused struct{}\n\nfunc RefusedOf() {}\n",
		"a.proto":        source,
		"unnamed.proto":  strings.Replace(fmt.Sprintf(withMessage, "unnamed", ""), "option go_package = \"\";", "", 1),
		"gone.proto":     fmt.Sprintf(withMessage, "gone", "example.com/gone"),
		"known.proto":    fmt.Sprintf(withMessage, "known", known),
		"internal.proto": fmt.Sprintf(withMessage, "internal", internal),
	})
	_, err := generate.Run(t.Context(), generate.Config{Dir: dir, Protos: []string{"a.proto", "known.proto"}})
	var problems generate.Problems
	if !errors.As(err, &problems) {
		t.Fatalf("not refused: %v", err)
	}
	for i, want := range []string{
		"m.go:3: Refused is a name that is generated for the service com.example.Refused",
		"m.go:5: RefusedOf is a name that is generated for actor Refused",
		"a.proto:8:1: rpc Unnamed takes unnamed.M, of which no Go package is known; add option go_package to unnamed.proto",
		"a.proto:9:1: rpc Gone returns gone.M of Go package example.com/gone, which is not found (",
		"a.proto:10:1: rpc Known takes known.M, but Go package " + known + " has no message M; run protoc",
		"a.proto:11:3: rpc Internal takes internal.M of Go package " + internal + ", which this package cannot import",
		"a.proto:12:1: rpc ID would hide the ID of its reference",
		"a.proto:14:1: rpc Do and rpc do have the same name Do in Go",
		"known.proto:1:1: has no services",
	} {
		if i >= len(problems) || !strings.HasPrefix(problems[i], want) {
			t.Fatalf("got\n%v\nwant, as line %d,\n%s", problems, i+1, want)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*_mallee.go")); left != nil {
		t.Errorf("something was written: %v", left)
	}
}

func TestProtosLieBelowTheirPath(t *testing.T) {
	t.Parallel()
	dir := project(t, map[string]string{"m.go": shopPackage, "a.proto": shop(inPackage, doNothing)})
	for _, c := range []generate.Config{
		{Protos: []string{"gone.proto"}},
		{Protos: []string{"../nowhere.proto"}},
		{Protos: []string{"a.proto"}, ProtoPath: []string{t.TempDir()}},
	} {
		c.Dir = dir
		_, err := generate.Run(t.Context(), c)
		if err == nil || !strings.Contains(err.Error(), "is not there, or lies outside of every --proto-path") {
			t.Errorf("%v: %v", c, err)
		}
	}
	for _, name := range []string{"a.proto", filepath.Base(dir) + "/a.proto"} {
		c := generate.Config{Dir: dir, Check: true, Protos: []string{name}, ProtoPath: []string{".."}}
		if files, err := generate.Run(t.Context(), c); err != nil || len(files) != 1 {
			t.Errorf("%s: %+v, %v", name, files, err)
		}
	}
	_, err := generate.Run(t.Context(), generate.Config{Dir: "testdata", Patterns: []string{"./golden/player", "./golden/main"}, Protos: []string{"a.proto"}})
	if err == nil || !strings.Contains(err.Error(), "--proto is for one package, and 2 match") {
		t.Errorf("several packages: %v", err)
	}
}

// The file notes its protos: who generates all packages has no flags for one.
func TestProtosAreKnownToTheNextRun(t *testing.T) {
	t.Parallel()
	dir := project(t, map[string]string{"m.go": shopPackage, "a.proto": shop(inPackage, doNothing)})
	run := func(c generate.Config, wantChanged bool) {
		t.Helper()
		c.Dir = dir
		files, err := generate.Run(t.Context(), c)
		if err != nil || len(files) != 1 || files[0].Changed != wantChanged || len(files[0].Actors) == 0 {
			t.Fatalf("%+v, %v", files, err)
		}
	}
	run(generate.Config{Protos: []string{"a.proto"}, ProtoPath: []string{"..", "."}}, true)
	run(generate.Config{Check: true}, false)
	if err := os.WriteFile(filepath.Join(dir, "a.proto"), []byte(shop(inPackage, doNothing+strings.Replace(doNothing, "Do", "More", 1))), 0o644); err != nil {
		t.Fatal(err)
	}
	run(generate.Config{Check: true}, true)
	if err := os.Remove(filepath.Join(dir, "a.proto")); err != nil {
		t.Fatal(err)
	}
	if _, err := generate.Run(t.Context(), generate.Config{Dir: dir}); err == nil || !strings.Contains(err.Error(), "a.proto") {
		t.Errorf("without its proto: %v", err)
	}
}
