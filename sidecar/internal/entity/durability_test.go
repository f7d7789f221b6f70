package entity_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/internal/transport"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/sidecar/internal/command"
	"github.com/mallee-io/mallee/sidecar/internal/entity"
	"github.com/mallee-io/mallee/sidecar/internal/entity/rows"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
	"github.com/mallee-io/mallee/storage"
)

// Whatever goes wrong, and wherever: what a command was told to be stored is
// there, in its order and once, what it was told not to be is not, and what is
// stored has all its effects carried out, under one id each.
func TestNothingIsLostOrDoubled(t *testing.T) {
	bubble(t, func(t *testing.T) {
		// The deadline of a test is not for bubbles, so rapid must not see it.
		rapid.Check(struct{ testing.TB }{t}, func(rt *rapid.T) {
			h := newHistory(t)
			defer h.close()
			rt.Repeat(map[string]func(*rapid.T){
				"append":    h.append,
				"fail":      h.fail,
				"fault":     h.fault,
				"write":     h.failWrite,
				"passive":   func(*rapid.T) { time.Sleep(2 * idle) },
				"crash":     func(*rapid.T) { h.crash() },
				"reconnect": func(*rapid.T) { h.function.dieAt("") },
				"way":       func(rt *rapid.T) { h.router.fail(rapid.IntRange(0, 3).Draw(rt, "times")) },
				"":          func(rt *rapid.T) { h.check(rt) },
			})
			h.end(rt)
		})
	})
}

// history runs commands on one event sourced entity and knows what has to come
// of it.
type history struct {
	t        *testing.T
	function *function
	store    *faultyStore
	router   *patchyRouter
	service  *spec.Service
	typ      mallee.Type
	driver   placement.Driver
	network  *transport.Memory
	node     *node.Node
	nodes    int

	events  []string
	effects map[string]bool // whether it must be carried out
	last    int
}

func newHistory(t *testing.T) *history {
	h := &history{t: t, function: startFunction(t), store: &faultyStore{Store: storage.Memory()}, router: &patchyRouter{ids: make(map[string][]string), done: make(map[string]bool)},
		service: service(log, spec.EventSourced), driver: placement.Memory(leaseTTL), network: transport.NewMemory(), effects: make(map[string]bool)}
	h.typ = entity.Type(h.service, entity.Config{Function: h.function.conn, Router: h.router, Log: silent})
	h.start()
	return h
}

const leaseTTL = 5 * time.Second

var silent = slog.New(slog.DiscardHandler)

func (h *history) start() {
	n, err := node.Start(context.Background(), node.Config{Name: fmt.Sprint("n", h.nodes), Types: []mallee.Type{h.typ},
		Store: h.store, Placement: h.driver, Network: h.network, Log: silent})
	if err != nil {
		h.t.Fatal(err)
	}
	h.nodes++
	h.node = n
}

func (h *history) crash() {
	h.node.Abort()
	time.Sleep(2 * leaseTTL)
	h.start()
}

func (h *history) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := h.node.Stop(ctx); err != nil {
		h.t.Error(err)
	}
	h.function.close()
	synctest.Wait()
}

func (h *history) run(s script) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	c := &command.Command{On: h.service.Methods[0], Payload: command.Payload{TypeURL: "x", Value: []byte(s.String())}}
	err := h.node.Invoke(ctx, mallee.ID{Type: log, Key: "1"}, c)
	if err != nil || c.Reply == nil {
		return "", err
	}
	return string(c.Reply.Payload.Value), nil
}

// draw makes a script with new events and effects.
func (h *history) draw(rt *rapid.T) script {
	s := script{Snapshot: rapid.IntRange(0, 3).Draw(rt, "snapshot") == 0}
	for range rapid.IntRange(0, 3).Draw(rt, "events") {
		h.last++
		s.Emit = append(s.Emit, fmt.Sprint("e", h.last))
	}
	for range rapid.IntRange(0, 2).Draw(rt, "effects") {
		h.last++
		s.Effects = append(s.Effects, target{To: fmt.Sprint("x", h.last), Sync: rapid.Bool().Draw(rt, "sync")})
	}
	return s
}

// stored notes that a script's answer is recorded, or is not.
func (h *history) stored(s script, is bool) {
	if is {
		h.events = append(h.events, s.Emit...)
	}
	for _, e := range s.Effects {
		h.effects[e.To] = is
	}
}

func (h *history) append(rt *rapid.T) {
	s := h.draw(rt)
	got, err := h.run(s)
	h.stored(s, true)
	switch {
	case errors.Is(err, mallee.ErrUnavailable) && slices.ContainsFunc(s.Effects, func(e target) bool { return e.Sync }):
		// The way to an effect has failed the command, which is recorded.
	case err != nil || got != list(h.events):
		rt.Fatalf("%s: %q, %v; want %q", s, got, err, list(h.events))
	}
}

// fail lets a command fail: it decides whether its events stay.
func (h *history) fail(rt *rapid.T) {
	s := h.draw(rt)
	s.Fail, s.Restart, s.Effects = "no", rapid.Bool().Draw(rt, "restart"), nil
	_, err := h.run(s)
	h.stored(s, !s.Restart)
	if e := mallee.AsError(err); e == nil || e.Message != "no" {
		rt.Fatalf("%s: %v", s, err)
	}
}

// fault lets the function break the protocol.
func (h *history) fault(rt *rapid.T) {
	s := h.draw(rt)
	s.Break = rapid.SampledFrom([]string{"wrong id", "out of order", "die", "failure", "failure and end", "empty", "never"}).Draw(rt, "fault")
	if _, err := h.run(s); err == nil {
		rt.Fatalf("%s has succeeded", s)
	}
	h.stored(s, false)
}

// failWrite lets the write of a command fail, before or after it was done.
func (h *history) failWrite(rt *rapid.T) {
	s := h.draw(rt)
	s.Emit = append(s.Emit, fmt.Sprint("e", h.last+1))
	h.last++
	done := rapid.Bool().Draw(rt, "done")
	h.store.fail(done)
	_, err := h.run(s)
	h.store.heal()
	if err == nil {
		rt.Fatalf("%s has succeeded", s)
	}
	h.stored(s, done)
}

// check reads the entity.
func (h *history) check(rt *rapid.T) {
	if got, err := h.run(read); err != nil || got != list(h.events) {
		rt.Fatalf("read %q, %v; want %q", got, err, list(h.events))
	}
}

// end looks at what is left once nothing happens any more.
func (h *history) end(rt *rapid.T) {
	h.router.fail(0)
	time.Sleep(3 * time.Minute)
	h.check(rt)
	time.Sleep(time.Second)
	synctest.Wait()
	var events []string
	for row, err := range h.store.List(context.Background(), storage.Range{Table: h.typ.Name, Key1: "1"}) {
		rt.Fatal("in the wrong table: ", row, err)
	}
	for row, err := range h.store.List(context.Background(), storage.Range{Table: rows.Table("of-" + log), Key1: "1"}) {
		switch {
		case err != nil:
			rt.Fatal(err)
		case row.Key.Key2 == rows.Snapshot:
		case row.Key.Key2 != rows.EventKey(uint64(len(events))+1):
			rt.Fatalf("row %s is left after %d events", row.Key, len(events))
		default:
			event, err := rows.DecodeAny(row)
			if err != nil {
				rt.Fatal(err)
			}
			events = append(events, string(event.Value))
		}
	}
	if !slices.Equal(events, h.events) {
		rt.Fatalf("stored %q, want %q", events, h.events)
	}
	h.router.check(rt, h.effects)
}

// patchyRouter carries out effects, and sometimes fails on the way.
type patchyRouter struct {
	router
	mu    sync.Mutex
	fails int
	ids   map[string][]string // of all tries, by target
	done  map[string]bool
}

func (r *patchyRouter) fail(times int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fails = times
}

func (r *patchyRouter) Effect(_ context.Context, _ mallee.Caller, e *cloudstatepb.SideEffect, _ *spec.Method, _ []command.Step) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	entries := e.Metadata.Entries
	r.ids[e.CommandName] = append(r.ids[e.CommandName], entries[len(entries)-1].GetStringValue())
	if r.fails > 0 {
		r.fails--
		return mallee.ErrUnavailable.Errorf("no way")
	}
	r.done[e.CommandName] = true
	return nil
}

func (r *patchyRouter) check(rt *rapid.T, effects map[string]bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make(map[string]bool)
	for to, must := range effects {
		ids := r.ids[to]
		if must != (len(ids) > 0) || must != r.done[to] {
			rt.Fatalf("effect %s was tried %d times, done: %v, is to be: %v", to, len(ids), r.done[to], must)
		}
		if same := slices.Compact(slices.Clone(ids)); len(same) > 1 || must && all[same[0]] {
			rt.Fatalf("effect %s has ids %q", to, ids)
		}
		if must {
			all[ids[0]] = true
		}
	}
}

// faultyStore fails the next write of an entity.
type faultyStore struct {
	storage.Store
	mu    sync.Mutex
	fails bool
	done  bool // it is written nevertheless
}

func (s *faultyStore) fail(done bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails, s.done = true, done
}

func (s *faultyStore) heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails = false
}

func (s *faultyStore) Apply(ctx context.Context, epoch uint64, ops ...storage.Op) ([]uint64, error) {
	s.mu.Lock()
	fails, done := s.fails && ops[0].Key.Table == rows.Table("of-"+log) && !ops[0].Delete, s.done
	s.mu.Unlock()
	if !fails {
		return s.Store.Apply(ctx, epoch, ops...)
	}
	if done {
		if _, err := s.Store.Apply(ctx, epoch, ops...); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("the answer is lost: %w", storage.ErrUnavailable)
}
