package node_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/examples/game"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/storage"
)

// configure makes a working directory with a file of settings.
func configure(t *testing.T, content string) {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := os.WriteFile("mallee.yaml", []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestLoad(t *testing.T) {
	configure(t, "name: file\ncall_timeout: 7s\nstore: pebble:data\nlog: {level: warn}\nlabels: {zone: a}\ntypes: [Player]\nlisten: 127.0.0.1:7000\n")
	t.Setenv("MALLEE_NAME", "variable")
	t.Setenv("MALLEE_PD", "pd1:2379,pd2:2379")
	c, store, err := node.Load()
	if err != nil {
		t.Fatal(err)
	}
	if c.Labels["zone"] != "a" || !slices.Equal(c.Only, []string{"Player"}) || c.Listen != "127.0.0.1:7000" || c.TLS != nil {
		t.Errorf("%+v", c)
	}
	if c.Name != "variable" || c.CallTimeout != 7*time.Second || store != "pebble:data" || len(c.PD) != 2 || c.Log == nil {
		t.Errorf("%+v, store %s", c, store)
	}
}

func TestStartReadsTheConfiguration(t *testing.T) {
	configure(t, "name: file\n")
	n, err := node.Start(t.Context(), node.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Stop(t.Context()); err != nil || n.Name() != "file" {
		t.Errorf("the node is called %s: %v", n.Name(), err)
	}
	n, err = node.Start(t.Context(), node.Config{Name: "program"})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Stop(t.Context()); err != nil || n.Name() != "program" {
		t.Errorf("what the program says is weaker than the file: the node is called %s: %v", n.Name(), err)
	}
}

func TestStartRefusesAConfigurationThatItCannotFollow(t *testing.T) {
	configure(t, "store: pebble:data\n")
	_, err := node.Start(t.Context(), node.Config{Types: game.Types()})
	if !errors.Is(err, mallee.ErrInvalid) || !strings.Contains(err.Error(), "set Config.Store") {
		t.Errorf("a store that nobody opens: %v", err)
	}
	n, err := node.Start(t.Context(), node.Config{Store: storage.Memory()})
	if err != nil {
		t.Fatal(err)
	}
	_ = n.Stop(t.Context())
	t.Setenv("MALLEE_NAM", "x")
	if _, err := node.Start(t.Context(), node.Config{Store: storage.Memory()}); err == nil || !strings.Contains(err.Error(), "did you mean MALLEE_NAME?") {
		t.Errorf("a variable that is not known: %v", err)
	}
}

// MALLEE_PD is all that a program needs to be told.
func TestStartJoinsTheClusterOfTheConfiguration(t *testing.T) {
	configure(t, "")
	t.Setenv("MALLEE_PD", "127.0.0.1:1") // where nobody listens
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	n, err := node.Start(ctx, node.Config{Types: game.Types()})
	if err == nil {
		_ = n.Stop(t.Context())
		t.Fatal("the node is alone, and was to join a cluster")
	}
}
