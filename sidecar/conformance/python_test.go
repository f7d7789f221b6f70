package conformance_test

import (
	"path/filepath"
	"testing"
)

// The models of event sourced entities with the library for Python, the only
// kind that it has.
func TestPython(t *testing.T) {
	pythonSupport().conforms(t)
}

// Why checks are skipped.
const (
	noSnapshots    = "the library cannot read a snapshot"
	otherSnapshots = "the library forgets the events of earlier commands when it counts to the next snapshot"
	listOfTexts    = "the library's failures are lists of texts"
)

func pythonSupport() library {
	return library{
		name:  "python-support 0.1.1",
		needs: []string{"python3"},
		models: merge(
			except(noSnapshots, 76, 77),
			except(otherSnapshots, 75, 78, 81),
			except(listOfTexts, 87, 88, 89, 90),
		),
		proxies: merge(
			except(otherSnapshots, 91),
			except(listOfTexts, 93, 94),
		),
		streams:    8, // of the ten that it has threads for
		unreadable: true,
		build: func(w *workshop) []string {
			dir := filepath.Join(w.dir, "python")
			w.copy("python", dir)
			interpreter := filepath.Join(dir, "venv", "bin", "python")
			w.run(dir, "python3", "-m", "venv", "venv")
			w.fetch(dir, interpreter, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r", "requirements.txt")
			protos := repositoryFile(w, "proto")
			w.run(dir, interpreter, "-m", "grpc_tools.protoc", "-I.", "-I"+protos, "--python_out=.", "sidecartest/eventsourced.proto")
			return []string{interpreter, filepath.Join(dir, "function.py")}
		},
	}
}

// repositoryFile is the absolute path of a file of the repository.
func repositoryFile(w *workshop, path string) string {
	w.Helper()
	path, err := filepath.Abs(filepath.Join("../..", path))
	if err != nil {
		w.Fatal(err)
	}
	return path
}
