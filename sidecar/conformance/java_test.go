package conformance_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A function of ours on the last version of the Java library with protocol 0.1.
func TestJava05(t *testing.T) {
	library{
		name:  "java-support 0.5.2",
		needs: []string{"java", "mvn"},
		build: func(w *workshop) []string { return buildJava(w, "java05", "eventsourced.proto") },
	}.conforms(t)
}

// buildJava builds the Maven project in a directory beside this file, with protos
// of the models.
func buildJava(w *workshop, project string, protos ...string) []string {
	w.copy(project, w.dir)
	for _, proto := range protos {
		w.copy(filepath.Join("../../proto/sidecartest", proto), filepath.Join(w.dir, "src/main/proto/sidecartest", proto))
	}
	w.fetch(w.dir, "mvn", "-B", "-q", "dependency:resolve", "dependency:resolve-plugins")
	w.run(w.dir, "mvn", "-B", "-q", "compile", "dependency:build-classpath", "-Dmdep.outputFile=target/classpath")
	path, err := os.ReadFile(filepath.Join(w.dir, "target", "classpath"))
	if err != nil {
		w.Fatal(err)
	}
	classes := filepath.Join(w.dir, "target", "classes") + string(os.PathListSeparator) + strings.TrimSpace(string(path))
	return []string{"java", "-Xmx256m", "-cp", classes, "Function"}
}
