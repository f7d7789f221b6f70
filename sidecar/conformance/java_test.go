package conformance_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Why checks are skipped.
const (
	lostEffects   = "the library loses side effects"
	emptyEntities = "the library does not delete an entity without a value"
	lostClocks    = "the library loses the clocks of registers"
	toldRegisters = "the library tells the sidecar the first value of a register that it has of the sidecar"
)

// A function of ours on the Java library, which speaks protocol 0.2.
func TestJava(t *testing.T) {
	library{
		name:       "java-support 0.6.0",
		needs:      []string{"java", "javac", "mvn"},
		build:      func(w *workshop) []string { return buildJava(w, "0.6.0") },
		replicated: true,
		models:     except("the function has no write consistency, since the library did not have it before", 177),
	}.conforms(t)
}

// The same on the version before, which speaks 0.0.
func TestJava05(t *testing.T) {
	library{
		name:  "java-support 0.5.2",
		needs: []string{"java", "javac", "mvn"},
		build: func(w *workshop) []string { return buildJava(w, "0.5.2") },
		models: merge(
			except(lostEffects, 82, 83, 84, 85, 86, 165, 166, 167, 168, 169, 176),
			except(toldRegisters, 133),
			except(lostClocks, 135),
			except(noConsistency, 177),
		),
		proxies: merge(
			except(lostEffects, 92, 179),
			except(emptyEntities, 182),
		),
		replicated: true,
	}.conforms(t)
}

// buildJava builds the function with a version of the library.
func buildJava(w *workshop, version string) []string {
	w.copy("java", w.dir)
	for _, proto := range []string{"sidecartest/eventsourced.proto", "sidecartest/crdt.proto"} {
		w.copy(filepath.Join("../../proto", proto), filepath.Join(w.dir, "src/main/proto", proto))
	}
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
