package conformance_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A function of ours on the last version of the Java library before protocol 0.2.
func TestJava05(t *testing.T) {
	const effects = "the library loses side effects"
	library{
		name:    "java-support 0.5.2",
		needs:   []string{"java", "mvn"},
		build:   func(w *workshop) []string { return buildJava(w, "java05", "eventsourced.proto") },
		models:  map[int]string{82: effects, 83: effects, 84: effects, 85: effects, 86: effects},
		proxies: map[int]string{92: effects},
	}.conforms(t)
}

// buildJava builds the Maven project in a directory beside this file, with protos
// of the models.
func buildJava(w *workshop, project string, protos ...string) []string {
	w.copy(project, w.dir)
	for _, proto := range protos {
		w.copy(filepath.Join("../../proto/sidecartest", proto), filepath.Join(w.dir, "src/main/proto/sidecartest", proto))
	}
	build := []string{"mvn", "-B", "-q", "compile", "dependency:build-classpath", "-Dmdep.outputFile=target/classpath"}
	if _, why := w.execute(w.dir, append(build, "-o")); why != "" { // what it needs is not here yet
		w.fetch(w.dir, "mvn", "-B", "-q", "dependency:resolve", "dependency:resolve-plugins")
		w.run(w.dir, build...)
	}
	path, err := os.ReadFile(filepath.Join(w.dir, "target", "classpath"))
	if err != nil {
		w.Fatal(err)
	}
	classes := filepath.Join(w.dir, "target", "classes") + string(os.PathListSeparator) + strings.TrimSpace(string(path))
	return []string{"java", "-Xmx256m", "-cp", classes, "Function"}
}
