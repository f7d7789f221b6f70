package conformance_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A function of ours on the Java library, which speaks protocol 0.2.
func TestJava(t *testing.T) {
	library{
		name:  "java-support 0.6.0",
		needs: []string{"java", "javac", "mvn"},
		build: func(w *workshop) []string { return buildJava(w, "0.6.0") },
	}.conforms(t)
}

// The same on the version before, which speaks 0.0.
func TestJava05(t *testing.T) {
	const effects = "the library loses side effects"
	library{
		name:    "java-support 0.5.2",
		needs:   []string{"java", "javac", "mvn"},
		build:   func(w *workshop) []string { return buildJava(w, "0.5.2") },
		models:  map[int]string{82: effects, 83: effects, 84: effects, 85: effects, 86: effects},
		proxies: map[int]string{92: effects},
	}.conforms(t)
}

// buildJava builds the function with a version of the library.
func buildJava(w *workshop, version string) []string {
	const proto = "sidecartest/eventsourced.proto"
	w.copy("java", w.dir)
	w.copy(filepath.Join("../../proto", proto), filepath.Join(w.dir, "src/main/proto", proto))
	maven := func(args ...string) []string {
		return append([]string{"mvn", "-B", "-q", "-Dstyle.color=never", "-Dcloudstate.version=" + version}, args...)
	}
	build := maven("compile", "dependency:build-classpath", "-Dmdep.outputFile=target/classpath")
	if _, why := w.execute(w.dir, append(build, "-o")); why != "" { // not all that it needs is here yet
		w.fetch(w.dir, maven("dependency:resolve", "dependency:resolve-plugins")...)
		w.run(w.dir, build...)
	}
	path, err := os.ReadFile(filepath.Join(w.dir, "target", "classpath"))
	if err != nil {
		w.Fatal(err)
	}
	classes := filepath.Join(w.dir, "target", "classes") + string(os.PathListSeparator) + strings.TrimSpace(string(path))
	return []string{"java", "-Xmx256m", "-cp", classes, "Function"}
}
