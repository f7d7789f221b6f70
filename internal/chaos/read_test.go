package chaos_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mallee-io/mallee/internal/chaos"
)

const (
	header     = `{"mallee_history":1,"seed":7,"lease_ns":2000}` + "\n"
	turnHeader = `{"mallee_turns":1,"process":"node1.1"}` + "\n"
	begun      = `{"turn":1,"actor":"Counter/1","epoch":3,"op":9,"at":100}` + "\n"
)

// write makes the directory of a run.
func directory(t testing.TB, history, turns string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"history.jsonl": history, "turns-node1.1.jsonl": turns} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestReadHistory(t *testing.T) {
	t.Parallel()
	h, err := chaos.ReadHistory(directory(t, header+
		`{"call":{"op":9,"worker":2,"actor":"Counter/1","method":"add","arg":5,"result":6,"invoke":90,"return":120,"outcome":"ok"}}`+"\n"+
		`{"journal":{"actor":"Counter/1","ops":[4]}}`+"\n"+`{"journal":{"actor":"Counter/1","ops":[9]}}`+"\n"+
		`{"exit":{"process":"node1.1","at":200}}`+"\n", turnHeader+begun+`{"turn":1,"at":1`))
	if err != nil {
		t.Fatal(err)
	}
	if len(h.Calls) != 1 || h.Calls[0].Result != 6 || h.Calls[0].Actor != counter || len(h.Journals[counter]) != 2 || len(h.Exits) != 1 || h.Lease != 2000 {
		t.Errorf("read %+v", h)
	}
	want := chaos.Turn{Process: "node1.1", Actor: counter, Epoch: 3, Op: 9, Begin: 100, End: forever}
	if len(h.Turns) != 1 || h.Turns[0] != want {
		t.Errorf("the process was killed while it wrote the end of %+v", h.Turns)
	}
}

func TestReadHistoryRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ history, turns, want string }{
		"an empty file":             {"", "", "no header"},
		"another version":           {`{"mallee_history":2}` + "\n", "", "version 2"},
		"another version of turns":  {header, `{"mallee_turns":9}` + "\n", "version 9"},
		"a line of nothing":         {header + "{}\n", "", "line 2: nothing that this program knows"},
		"a line of something else":  {header + `{"shout":1}` + "\n", "", "line 2"},
		"a line that is cut":        {header + `{"exit":{`, "", "line 2: the line is not complete"},
		"a long line":               {header + strings.Repeat("x", 2<<20), "", "longer than"},
		"a turn that begins twice":  {header, turnHeader + begun + begun, "line 3"},
		"a turn that ends only":     {header, turnHeader + `{"turn":1,"at":1}` + "\n", "line 2"},
		"a turn that ends too soon": {header, turnHeader + begun + `{"turn":1,"at":99}` + "\n", "line 3"},
		"turns that are no JSON":    {header, turnHeader + "\x00\n", "line 2"},
	} {
		if _, err := chaos.ReadHistory(directory(t, test.history, test.turns)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := chaos.ReadHistory(t.TempDir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no run: %v", err)
	}
}

// What can be read can be judged.
func FuzzReadHistory(f *testing.F) {
	f.Add(header, turnHeader+begun)
	f.Add(header+`{"call":{"op":1,"actor":"Register/1","method":"read","invoke":1,"return":2,"outcome":"ok"}}`+"\n", "")
	f.Add(header+`{"fault":{"kind":"kill_node","process":"node1","after_ns":1,"for_ns":2,"from":1,"to":9}}`+"\n", turnHeader)
	f.Fuzz(func(t *testing.T, history, turns string) {
		h, err := chaos.ReadHistory(directory(t, history, turns))
		if err != nil || len(h.Calls) > 12 {
			return
		}
		v, err := chaos.Check(h)
		if s := chaos.Summarize(h, v); err == nil && s.Calls != len(h.Calls) {
			t.Errorf("%d calls of %d", s.Calls, len(h.Calls))
		}
	})
}
