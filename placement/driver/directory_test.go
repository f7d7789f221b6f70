package driver_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/placement/driver"
)

func member(id placement.NodeID) placement.Member {
	return placement.Member{ID: id, Types: []placement.Type{{Name: "A"}, {Name: "W", Stateless: true}}}
}

func mustLocate(t *testing.T, d *driver.Directory, id mallee.ID) placement.Grant {
	t.Helper()
	a, done := d.Locate(1, driver.Question{ID: id})
	if !done || a.Err != nil || a.Ticket != 1 {
		t.Fatalf("%+v, %t", a, done)
	}
	return a.Grant
}

const epoch0 = 1 << 40 // of term 1

// A leader that begins places nothing that a silent node might have.
func TestRecovery(t *testing.T) {
	t.Parallel()
	x, y, z := actors[0], actors[1], actors[2]
	d := driver.NewDirectory(1, []placement.Member{member(1), member(2), member(3)}, rand.New(rand.NewPCG(1, 1)))
	d.Renew(2, placement.Status{Cordoned: true})
	d.Renew(3, placement.Status{Cordoned: true})
	d.Report(1, []driver.Held{{ID: x, Epoch: 7}}, true)
	if g := mustLocate(t, d, x); g != (placement.Grant{Node: 1, Epoch: 7}) {
		t.Errorf("an actor that was reported: %+v", g)
	}
	if a, done := d.Locate(2, driver.Question{ID: y}); done {
		t.Errorf("an actor that a silent node may have: %+v", a)
	}
	if a, done := d.Locate(3, driver.Question{ID: mallee.ID{Type: "W", Key: "1"}}); !done || a.Grant != (placement.Grant{Node: 1}) {
		t.Errorf("a stateless one: %+v", a)
	}
	if a, done := d.Locate(4, driver.Question{ID: mallee.ID{Type: "B", Key: "1"}}); done {
		t.Errorf("a type that a node may bring: %+v", a)
	}
	if answers := d.Report(2, []driver.Held{{ID: y, Epoch: 8}}, true); len(answers) != 1 || answers[0] != (driver.Answer{Ticket: 2, Grant: placement.Grant{Node: 2, Epoch: 8}}) {
		t.Errorf("%+v", answers)
	}
	if _, done := d.Locate(5, driver.Question{ID: z}); done {
		t.Error("placed while node 3 is silent")
	}
	answers := d.Lost(3) // its lease has ended: it holds nothing
	if len(answers) != 2 || answers[0].Ticket != 4 || !errors.Is(answers[0].Err, mallee.ErrNotFound) || answers[1] != (driver.Answer{Ticket: 5, Grant: placement.Grant{Node: 1, Epoch: epoch0 + 1}, New: true}) {
		t.Errorf("%+v", answers)
	}
	if len(d.Silent()) != 0 || !d.Reported(1) || d.Reported(3) {
		t.Errorf("silent: %v", d.Silent())
	}
}

// A node reports a grant, releases it while the report is on its way, and the
// leader before, who believes in itself, gives it to another node, which
// reports too: in whichever order the reports arrive, the newer grant stands.
func TestReportsThatContradict(t *testing.T) {
	t.Parallel()
	x := actors[0]
	for _, order := range [][2]placement.NodeID{{1, 2}, {2, 1}} {
		d := driver.NewDirectory(2, []placement.Member{member(1), member(2)}, rand.New(rand.NewPCG(1, 1)))
		for _, node := range order {
			d.Report(node, []driver.Held{{ID: x, Epoch: epoch0 + uint64(node)}}, true)
		}
		if g := mustLocate(t, d, x); g != (placement.Grant{Node: 2, Epoch: epoch0 + 2}) {
			t.Errorf("in the order %v: %+v", order, g)
		}
		d.Release(x, placement.Grant{Node: 1, Epoch: epoch0 + 1}, 0)
		if _, ok := d.Owner(x); !ok {
			t.Error("an old release has taken the newer grant back")
		}
		d.Lost(1)
		if _, ok := d.Owner(x); !ok {
			t.Error("the other node has taken it along")
		}
	}
}

// Reports may break off, tell of types that nobody hosts, and contradict each other.
func TestReportsInParts(t *testing.T) {
	t.Parallel()
	d := newDirectory([]placement.Member{member(1), member(2)})
	held := make([]driver.Held, 10)
	for i := range held {
		held[i] = driver.Held{ID: mallee.ID{Type: "A", Key: fmt.Sprint(i)}, Epoch: uint64(i + 1)}
	}
	other := driver.Held{ID: mallee.ID{Type: "Unknown", Key: "1"}, Epoch: 1} // no node hosts its type
	d.Report(1, append(held, other), false)
	d.Report(1, held, false) // it broke off and began anew
	d.Report(1, []driver.Held{other}, true)
	if !d.Recovering() {
		t.Error("node 2 has not reported")
	}
	d.Report(2, []driver.Held{{ID: held[0].ID, Epoch: 100}}, true)
	if n := d.Nodes(); d.Recovering() || n[0].Actors != 10 || n[0].Load != 10 || n[1].Actors != 1 || !n[1].Reported {
		t.Errorf("%+v", n)
	}
	if moves := d.Plan(10); len(moves) != 0 {
		t.Errorf("%+v", moves)
	}
	d.Lost(1)
	if page, _ := d.Page(driver.Filter{}, mallee.ID{}, 100); len(page) != 1 || page[0].Grant.Node != 2 {
		t.Errorf("%+v", page)
	}
}

func TestReleases(t *testing.T) {
	t.Parallel()
	x := actors[0]
	d := driver.NewDirectory(1, []placement.Member{member(1)}, rand.New(rand.NewPCG(1, 1)))
	g := placement.Grant{Node: 1, Epoch: 7}
	if d.Release(x, g, 0) {
		t.Error("taken from a node whose report may yet tell of it")
	}
	d.Report(1, []driver.Held{{ID: x, Epoch: 7}}, true)
	for range 2 { // the second one comes again
		if !d.Release(x, g, 0) {
			t.Error("not taken")
		}
	}
	if next := mustLocate(t, d, x); next.Epoch != epoch0+1 {
		t.Errorf("%+v", next)
	}
	d.Join(member(2))
	d.Release(x, mustLocate(t, d, x), 2)
	if moved := mustLocate(t, d, x); moved != (placement.Grant{Node: 2, Epoch: epoch0 + 2}) {
		t.Errorf("the actor moved to %+v", moved)
	}
	if !d.Release(x, placement.Grant{Node: 9, Epoch: 1}, 0) {
		t.Error("of a node that is gone")
	}
}

// A leaving node gets nothing new, and keeps what it has.
func TestCordon(t *testing.T) {
	t.Parallel()
	d := driver.NewDirectory(1, nil, rand.New(rand.NewPCG(1, 1)))
	d.Join(member(1))
	first := mustLocate(t, d, actors[0])
	if !d.Renew(1, placement.Status{Cordoned: true}) || d.Renew(9, placement.Status{}) {
		t.Error("renewals")
	}
	if g := mustLocate(t, d, actors[0]); g != first {
		t.Errorf("%+v", g)
	}
	if a, done := d.Locate(1, driver.Question{ID: actors[1]}); !done || !errors.Is(a.Err, mallee.ErrUnavailable) || !mallee.SafeToRetry(a.Err) {
		t.Errorf("%+v", a)
	}
	d.Join(member(2))
	if g := mustLocate(t, d, actors[1]); g.Node != 2 {
		t.Errorf("%+v", g)
	}
}

// What a node has released it does not take again, whatever is on its way.
func TestHolderRefusesWhatItReleased(t *testing.T) {
	t.Parallel()
	x := actors[0]
	h := driver.NewHolder(1, 0, 10*time.Second)
	first, second := h.Ask(x), h.Ask(x)
	if !h.Answer(first, 1, 5, 0) || h.Holds(x) != 5 {
		t.Fatal("not taken")
	}
	if h.Answer(first, 1, 6, 0) {
		t.Error("a question took two answers")
	}
	h.Release(x, 5)
	if got := fmt.Sprint(h.Unsettled()); got != "[{A/0 5}]" {
		t.Errorf("unsettled: %s", got)
	}
	h.Released(0, x, 5) // an old leader does not count
	h.Released(1, x, 5)
	if h.Answer(second, 1, 5, 0) {
		t.Error("a late answer brought the grant back")
	}
	if third := h.Ask(x); !h.Answer(third, 1, 7, 0) || h.Holds(x) != 7 {
		t.Error("a newer grant was refused")
	}
	if fourth := h.Ask(x); h.Answer(fourth, 2, 8, 0) {
		t.Error("a grant of a term to which the node has not reported")
	}
	if held, ok := h.Report(2); !ok || fmt.Sprint(held) != "[{A/0 7}]" {
		t.Errorf("%v, %t", held, ok)
	}
	if _, ok := h.Report(1); ok {
		t.Error("reported to a leader that was followed")
	}
	if h.Fenced(9*time.Second-1) || !h.Fenced(9*time.Second) || !h.Fenced(0) {
		t.Error("fences itself a tenth before its lease ends, for good")
	}
}

func TestRenewalsCountFromWhenTheyWereSent(t *testing.T) {
	t.Parallel()
	h := driver.NewHolder(1, 0, 10*time.Second)
	h.Renewed(5*time.Second, 10*time.Second)
	h.Renewed(2*time.Second, 10*time.Second) // its answer was late
	if h.Deadline() != 14*time.Second {
		t.Errorf("deadline %v", h.Deadline())
	}
}

// The same seed does the same.
func TestSimulationRepeats(t *testing.T) {
	t.Parallel()
	a, b := simulate(7, false), simulate(7, false)
	if a.writes != b.writes || a.handovers != b.handovers || a.terms != b.terms || a.seq != b.seq || a.writes == 0 {
		t.Errorf("%d, %d writes; %d, %d grants; %d, %d events", a.writes, b.writes, a.handovers, b.handovers, a.seq, b.seq)
	}
}
