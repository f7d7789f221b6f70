package conformance_test

import (
	"context"
	"log/slog"
	"maps"
	"os"
	"testing"

	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/sidecar"
	"github.com/mallee-io/mallee/sidecar/sidecartest"
	"github.com/mallee-io/mallee/storage"
)

// library is a user function that is written with one of Cloudstate's libraries.
type library struct {
	// name is that of the library, with its version.
	name string
	// needs are the programs without which it is skipped.
	needs []string
	// build fetches and builds it, and returns the program with its arguments.
	build func(*workshop) []string
	// env is added to the environment of the function, beside HOST and PORT.
	env []string
	// models and proxies have the checks that it does not pass, and the reasons.
	models, proxies map[int]string
	// streams bound those of entities while the checks are made, where less are
	// used otherwise than the checks want.
	streams int
	// unreadable says that the function chokes on an event with this text.
	unreadable bool
	// replicated says that the function has the models of replicated entities.
	replicated bool
	// more checks what only this function has. Nil: nothing.
	more func(t *testing.T, function string)
}

// except gives many checks the same reason.
func except(why string, numbers ...int) map[int]string {
	all := map[int]string{}
	for _, n := range numbers {
		all[n] = why
	}
	return all
}

// merge puts the checks of many reasons together.
func merge(parts ...map[int]string) map[int]string {
	all := map[int]string{}
	for _, part := range parts {
		maps.Copy(all, part)
	}
	return all
}

// conforms makes all checks of a user function and of a sidecar beside it, and
// prints how they have ended.
func (l library) conforms(t *testing.T) {
	if os.Getenv("MALLEE_TEST_CONFORMANCE") == "" {
		t.Skip("MALLEE_TEST_CONFORMANCE is not set")
	}
	w := newWorkshop(t, l)
	program := l.build(w)
	function := w.start(program, l.env)
	var models *sidecartest.Tally
	proxies := &sidecartest.Tally{} // where -run leaves it out
	t.Run("Models", func(t *testing.T) { models = sidecartest.Models(t, function, l.models) })
	t.Run("Proxies", func(t *testing.T) {
		proxies = sidecartest.Proxies(t, func(t *testing.T) sidecartest.Sidecar { return beside(t, l, function) }, l.proxies)
	})
	if l.replicated {
		t.Run("Monitors", func(t *testing.T) { monitors(t, function) })
		t.Run("Spreads", func(t *testing.T) { spreads(t, function) })
	}
	if l.more != nil {
		t.Run("More", func(t *testing.T) { l.more(t, function) })
	}
	t.Run("Restart", func(t *testing.T) { restarts(t, w, program) })
	if models == nil {
		say(l.name, "FAILED: it does not tell what it has")
		return
	}
	report(l.name, models, proxies)
}

// beside starts a sidecar beside the user function, with a recorder between
// them. Both end with the test.
func beside(t *testing.T, l library, function string) sidecartest.Sidecar {
	between := sidecartest.Intercept(t, function)
	s := start(t, between.Addr(), l.streams)
	return sidecartest.Sidecar{Addr: s.Addr(), Record: between.Recorder}
}

// start starts a sidecar that ends with the test, and waits until it serves
// clients. Streams bound those of entities; 0: as the sidecar does by itself.
func start(t *testing.T, function string, streams int) *sidecar.Sidecar {
	return startWith(t, sidecar.Config{Function: function, Node: node.Config{Store: storage.Memory()}, MaxStreams: streams})
}

func startWith(t *testing.T, c sidecar.Config) *sidecar.Sidecar {
	c.Listen, c.Log = "127.0.0.1:0", slog.New(slog.DiscardHandler)
	c.Node.Log = c.Log
	s, err := sidecar.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), sidecartest.Patience)
		defer cancel()
		if err := s.Stop(ctx); err != nil {
			t.Errorf("stop the sidecar: %v", err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), sidecartest.Patience)
	defer cancel()
	if err := s.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	return s
}
