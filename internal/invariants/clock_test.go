package invariants_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// wallClock are the files of the runtime in which a time loses its monotonic
// reading or comes without one, and why a clock that is set must not matter
// there. Everywhere else Go compares by the monotonic clock: leases, deadlines
// and timers know nothing of hours that a clock is turned.
var wallClock = map[string]string{
	"internal/reminders/plan.go":           "reminders are due by the calendar",
	"internal/reminders/rows.go":           "reminders are due by the calendar",
	"internal/replicas/service.go":         "registers of the default clock say when they were written; one that was seen is always later",
	"internal/transport/koala_chain.go":    "a number to begin with that differs from that of an earlier life",
	"internal/transport/koala_conn.go":     "what a heartbeat says; it comes back unread",
	"placement/internal/words/words.go":    "the first seconds of a node, which begin anew when they lie ahead: driver.Directory",
	"placement/pd/koala.go":                "what hosts are told of each other",
	"placement/pd/koalahttp/memory.go":     "the first seconds of a host, in tests",
	"placement/pd/koalahttp/history.go":    "what hosts are told of each other",
	"placement/pd/koalahttp/membership.go": "the first seconds of a host",
	"placement/pd/koalahttp/placement.go":  "what hosts are told of each other",
	"placement/pd/known.go":                "how long hosts are told of one that has gone",
	"placement/pd/foreign.go":              "when an actor was placed, which hosts are told and nobody decides by",
}

func TestWallClock(t *testing.T) {
	t.Parallel()
	found := make(map[string]bool)
	for _, folder := range []string{"placement", "node", "internal/activation", "internal/transport", "internal/reminders", "internal/replicas"} {
		err := filepath.WalkDir("../../"+folder, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err == nil && readsCalendar(file) {
				found[strings.TrimPrefix(filepath.ToSlash(path), "../../")] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for path := range found {
		if wallClock[path] == "" {
			t.Errorf("%s uses the wall clock: say in wallClock why its steps do no harm", path)
		}
	}
	for path := range wallClock {
		if !found[path] {
			t.Errorf("%s does not use the wall clock any more: take it out of wallClock", path)
		}
	}
}

// readsCalendar reports whether a file turns times into numbers or zones, or
// makes them of numbers.
func readsCalendar(file *ast.File) (found bool) {
	ast.Inspect(file, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok && !isPackage(s.X, "crdt") { // whose Local is no time
			switch s.Sel.Name {
			case "Unix", "UnixMilli", "UnixMicro", "UnixNano", "UTC", "Local", "AddDate":
				found = true
			}
		}
		return !found
	})
	return found
}

func isPackage(x ast.Expr, name string) bool {
	id, ok := x.(*ast.Ident)
	return ok && id.Name == name
}
