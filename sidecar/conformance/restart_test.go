package conformance_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/mallee-io/mallee/internal/gen/tckpb/tckevents"
	"github.com/mallee-io/mallee/internal/procs"
	"github.com/mallee-io/mallee/sidecar"
	"github.com/mallee-io/mallee/sidecar/sidecartest"
)

// client calls the model of event sourced entities.
type client struct {
	*testing.T
	ctx   context.Context
	model tckevents.EventSourcedTckModelClient
	side  *sidecar.Sidecar
}

// entities is how many there are: more than the threads of any library.
const entities = 40

// restarts checks what no conformance test of Cloudstate does: more entities than
// the user function can have at once, commands that fail, and a user function
// that ends and comes back.
func restarts(t *testing.T, w *workshop, program []string) {
	addrs, err := procs.FreeAddrs(1)
	if err != nil {
		t.Fatal(err)
	}
	stop := w.startAt(addrs[0], program, w.library.env)
	defer func() { stop() }()
	c := newClient(t, addrs[0])

	c.each(func(id string) error { return c.says(id, "123456", emit("1", "2", "3", "4", "5", "6")...) }) // a snapshot is due
	c.each(func(id string) error { return c.says(id, "123456A", emit("A")...) })
	c.answers("entity-1", http.StatusOK, `{"message":"123456A"}`)
	c.fails("entity-1", "no such thing", fail("no such thing")...)
	if w.library.unreadable {
		c.fails("entity-1", "", emit("unreadable")...)
	}
	c.must(c.says("entity-1", "123456AC", emit("C")...))

	stop()
	if err := c.says("entity-1", ""); err == nil {
		t.Error("a command succeeds without a user function")
	}
	stop = w.startAt(addrs[0], program, w.library.env)
	c.eventually(func() error { return c.says("entity-1", "123456AC") })
	c.each(func(id string) error {
		if id == "entity-1" {
			return nil
		}
		return c.says(id, "123456AD", emit("D")...)
	})
}

func newClient(t *testing.T, function string) *client {
	side := start(t, function, 0)
	ctx, cancel := context.WithTimeout(t.Context(), 4*sidecartest.Patience)
	t.Cleanup(cancel)
	return &client{t, ctx, tckevents.NewEventSourcedTckModelClient(connect(t, side.Addr())), side}
}

func connect(t *testing.T, addr string) *grpc.ClientConn {
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func emit(values ...string) (actions []*tckevents.RequestAction) {
	for _, v := range values {
		actions = append(actions, &tckevents.RequestAction{Action: &tckevents.RequestAction_Emit{Emit: &tckevents.Emit{Value: v}}})
	}
	return actions
}

func fail(message string) []*tckevents.RequestAction {
	return []*tckevents.RequestAction{{Action: &tckevents.RequestAction_Fail{Fail: &tckevents.Fail{Message: message}}}}
}

// says is the error of a command that is not answered as it should be.
func (c *client) says(id, want string, actions ...*tckevents.RequestAction) error {
	got, err := c.model.Process(c.ctx, &tckevents.Request{Id: id, Actions: actions})
	if err == nil && got.GetMessage() != want {
		err = fmt.Errorf("%q, want %q", got.GetMessage(), want)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", id, err)
	}
	return nil
}

// fails expects an error with a text in it.
func (c *client) fails(id, text string, actions ...*tckevents.RequestAction) {
	c.Helper()
	got, err := c.model.Process(c.ctx, &tckevents.Request{Id: id, Actions: actions})
	if err == nil || !strings.Contains(err.Error(), text) {
		c.Errorf("%s: %v, %v; want a failure with %q", id, got, err, text)
	}
}

// answers makes a call over HTTP.
func (c *client) answers(id string, status int, want string) {
	c.Helper()
	url := "http://" + c.side.Addr() + "/tck/model/eventsourced/" + id
	req, err := http.NewRequestWithContext(c.ctx, http.MethodPost, url, strings.NewReader("{}"))
	c.must(err)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	c.must(err)
	got, err := io.ReadAll(resp.Body)
	c.must(errors.Join(err, resp.Body.Close()))
	if resp.StatusCode != status || string(got) != want {
		c.Errorf("%s: %d %s, want %d %s", url, resp.StatusCode, got, status, want)
	}
}

// each calls all entities at once.
func (c *client) each(call func(id string) error) {
	c.Helper()
	done := make(chan error, entities)
	for i := range entities {
		go func() { done <- call(fmt.Sprintf("entity-%d", i)) }()
	}
	for range entities {
		c.must(<-done)
	}
}

// eventually repeats a call until it succeeds: the sidecar needs a moment to
// find the user function again.
func (c *client) eventually(call func() error) {
	c.Helper()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for err := call(); err != nil; err = call() {
		select {
		case <-again.C:
		case <-c.ctx.Done():
			c.Fatal(err)
		}
	}
}

func (c *client) must(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}
