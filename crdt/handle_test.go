package crdt_test

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"testing"

	"github.com/mallee-io/mallee/crdt"
)

type user struct {
	Name string
	Tags map[string]int `json:",omitempty"`
}

// collect takes the values of an iterator, and its last error.
func collect[E any](seq iter.Seq2[E, error]) (all []E, failed error) {
	for e, err := range seq {
		if err != nil {
			failed = err
			continue
		}
		all = append(all, e)
	}
	return all, failed
}

// must takes a result that comes without an error.
func must[R any](t *testing.T) func(R, error) R {
	t.Helper()
	return func(r R, err error) R {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
		return r
	}
}

func TestCounters(t *testing.T) {
	t.Parallel()
	up := crdt.GCounter{}.On(&memory{})
	both := crdt.PNCounter{}.On(&memory{})
	inMap := crdt.At[crdt.GCounter](crdt.ORMap[string]{}.On(&memory{}), "k")
	for _, c := range []interface {
		Add(n int64) (int64, error)
		Value() (int64, error)
	}{up, both, inMap, crdt.At[crdt.PNCounter](crdt.ORMap[int]{}.On(&memory{}), 7)} {
		if n, err := c.Value(); n != 0 || err != nil {
			t.Errorf("%T: %d, %v before the first change", c, n, err)
		}
		for _, want := range []int64{3, 6} {
			if n, err := c.Add(3); n != want || err != nil {
				t.Errorf("%T: %d, %v; want %d", c, n, err, want)
			}
		}
		if n, err := c.Value(); n != 6 || err != nil {
			t.Errorf("%T: %d, %v", c, n, err)
		}
	}
	if n, err := both.Add(-10); n != -4 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	for _, c := range []crdt.GCounter{up, inMap} {
		for _, wrong := range []int64{-1, math.MaxInt64} {
			if _, err := c.Add(wrong); !errors.Is(err, crdt.ErrIllegal) {
				t.Errorf("add %d: %v", wrong, err)
			}
		}
		if n, err := c.Value(); n != 6 || err != nil {
			t.Errorf("%d, %v after what was refused", n, err)
		}
	}
}

func TestCounterDoesNotAllocate(t *testing.T) {
	c := crdt.PNCounter{}.On(&memory{})
	must[int64](t)(c.Add(1))
	if n := testing.AllocsPerRun(100, func() { _, _ = c.Add(1) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestSets(t *testing.T) {
	t.Parallel()
	ann, bob := user{Name: "ann", Tags: map[string]int{"b": 2, "a": 1}}, user{Name: "bob"}
	m := &memory{}
	s := crdt.ORSet[user]{}.On(m)
	if err := s.Add(bob, ann); err != nil {
		t.Fatal(err)
	}
	all, err := collect(s.All())
	if fmt.Sprint(all) != "[{ann map[a:1 b:2]} {bob map[]}]" || err != nil {
		t.Errorf("%v, %v", all, err)
	}
	if !must[bool](t)(s.Has(user{Name: "ann", Tags: map[string]int{"a": 1, "b": 2}})) || must[bool](t)(s.Has(user{Name: "ann"})) {
		t.Error("elements are the same when their JSON is")
	}
	for e := range s.All() { // a loop may change what it goes over
		if err := s.Remove(e); err != nil {
			t.Error(err)
		}
	}
	if n := must[int](t)(s.Len()); n != 0 {
		t.Errorf("%d are left", n)
	}
	_ = s.Add(ann)
	if err := s.Clear(); err != nil || must[int](t)(s.Len()) != 0 {
		t.Error("not cleared", err)
	}

	words := crdt.GSet[string]{}.On(&memory{})
	if err := words.Add("b", "a", "", "a", "\xff"); err != nil {
		t.Fatal(err)
	}
	if got, err := collect(words.All()); fmt.Sprintf("%q", got) != `["" "a" "b" "\xff"]` || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// What another type has put there is an error, never a zero value, and no reason not
// to see the rest.
func TestElementsOfAnotherType(t *testing.T) {
	t.Parallel()
	m := &memory{}
	if err := (crdt.ORSet[string]{}.On(m)).Add("", "ann", "null", `{"Name":"bob"}`, `{"Name":"cat","Age":3}`, `{}`); err != nil {
		t.Fatal(err)
	}
	var good []user
	bad := 0
	for u, err := range (crdt.ORSet[user]{}.On(m)).All() {
		if err == nil {
			good = append(good, u)
		} else if bad++; !errors.Is(err, crdt.ErrMalformed) || u.Name != "" {
			t.Errorf("%v, %v", u, err)
		}
	}
	if fmt.Sprint(good) != "[{bob map[]}]" || bad != 5 {
		t.Errorf("%v, and %d errors", good, bad)
	}
	for range (crdt.ORSet[user]{}.On(m)).All() {
		break
	}
	type broken struct{ C chan int }
	s := crdt.ORSet[broken]{}.On(&memory{})
	_, has := s.Has(broken{})
	for _, err := range []error{s.Add(broken{}), s.Remove(broken{}), has} {
		if !errors.Is(err, crdt.ErrIllegal) {
			t.Errorf("got %v", err)
		}
	}
	_, err := crdt.At[crdt.PNCounter](crdt.ORMap[broken]{}.On(&memory{}), broken{}).Add(1)
	if !errors.Is(err, crdt.ErrIllegal) {
		t.Errorf("got %v", err)
	}
}

func TestRegister(t *testing.T) {
	t.Parallel()
	m := &memory{}
	r := crdt.Register[user]{}.On(m)
	expect := func(name string, set bool) {
		t.Helper()
		if u, ok, err := r.Get(); u.Name != name || ok != set || err != nil {
			t.Errorf("%v, %t, %v", u, ok, err)
		}
	}
	expect("", false)
	for _, name := range []string{"ann", "bob"} {
		if err := r.Set(user{Name: name}); err != nil {
			t.Fatal(err)
		}
		expect(name, true)
	}
	if err := r.SetBy(crdt.CustomClock, 5, user{Name: "late"}); err != nil {
		t.Fatal(err)
	}
	expect("bob", true)
	if err := r.SetBy(crdt.CustomClock, 5000, user{Name: "new"}); err != nil {
		t.Fatal(err)
	}
	expect("new", true)
	for i, wrong := range []string{"null", "", "ann", "[]"} {
		if err := (crdt.Register[string]{}.On(m)).SetBy(crdt.CustomClock, int64(6000+i), wrong); err != nil {
			t.Fatal(err)
		}
		if u, ok, err := r.Get(); !errors.Is(err, crdt.ErrMalformed) || ok {
			t.Errorf("%q is %v, %t, %v", wrong, u, ok, err)
		}
	}
	if err := (crdt.Register[string]{}.On(m)).SetBy(crdt.CustomClock, 7000, `{"Name":"grown","Age":3}`); err != nil {
		t.Fatal(err)
	}
	expect("grown", true)
	nothing := crdt.Register[*user]{}.On(&memory{})
	_ = nothing.Set(nil)
	if u, ok, err := nothing.Get(); u != nil || !ok || err != nil {
		t.Errorf("%v, %t, %v", u, ok, err)
	}
}

func TestFlagAndVote(t *testing.T) {
	t.Parallel()
	f := crdt.Flag{}.On(&memory{})
	if must[bool](t)(f.Enabled()) {
		t.Error("enabled before")
	}
	if err := f.Enable(); err != nil || !must[bool](t)(f.Enabled()) {
		t.Error("not enabled", err)
	}
	v := crdt.Vote{}.On(&memory{})
	for _, want := range []crdt.Tally{{Voters: 3}, {Self: true, For: 1, Voters: 3}} {
		if got := must[crdt.Tally](t)(v.Tally()); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
		if err := v.Vote(true); err != nil {
			t.Error(err)
		}
	}
}

func TestMap(t *testing.T) {
	t.Parallel()
	m := crdt.ORMap[string]{}.On(&memory{})
	if must[bool](t)(m.Has("ann")) || must[bool](t)(crdt.At[crdt.Flag](m, "ann").Enabled()) || must[int](t)(m.Len()) != 0 {
		t.Error("reading has made something")
	}
	rooms := crdt.At[crdt.ORMap[int]](m, "rooms")
	if err := crdt.At[crdt.ORSet[user]](rooms, 7).Add(user{Name: "ann"}); err != nil {
		t.Fatal(err)
	}
	if err := crdt.At[crdt.Vote](m, "ok").Vote(true); err != nil {
		t.Fatal(err)
	}
	if got := must[crdt.Tally](t)(crdt.At[crdt.Vote](m, "ok").Tally()); got != (crdt.Tally{Self: true, For: 1, Voters: 3}) {
		t.Errorf("%+v", got)
	}
	if got, err := collect(crdt.At[crdt.ORSet[user]](rooms, 7).All()); fmt.Sprint(got) != "[{ann map[]}]" || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := collect(rooms.Keys()); fmt.Sprint(got) != "[7]" || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := collect(m.Keys()); fmt.Sprint(got) != "[ok rooms]" || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	if err := m.Remove("ok", "nobody"); err != nil || must[bool](t)(m.Has("ok")) || !must[bool](t)(m.Has("rooms")) {
		t.Error("not removed", err)
	}
	if err := m.Clear(); err != nil || must[int](t)(m.Len()) != 0 || must[bool](t)(rooms.Has(7)) {
		t.Error("not cleared", err)
	}
}

// Handles of another kind than the value's change nothing, wherever it is.
func TestHandlesOfAnotherKind(t *testing.T) {
	t.Parallel()
	m := &memory{}
	_, _ = crdt.PNCounter{}.On(m).Add(1)
	top := &memory{}
	in := crdt.ORMap[string]{}.On(top)
	_, _ = crdt.At[crdt.PNCounter](in, "k").Add(1)
	if _, err := crdt.At[crdt.Flag](crdt.ORMap[string]{}.On(m), "k").Enabled(); !errors.Is(err, crdt.ErrKind) {
		t.Errorf("key of a counter: %v", err)
	}
	for where, errs := range map[string][]error{
		"top": {
			crdt.ORSet[string]{}.On(m).Add("x"), crdt.GSet[string]{}.On(m).Add("x"), crdt.Register[string]{}.On(m).Set("x"),
			crdt.Flag{}.On(m).Enable(), crdt.Vote{}.On(m).Vote(true), crdt.ORMap[string]{}.On(m).Clear(),
			second(crdt.GCounter{}.On(m).Add(1)), second(crdt.GCounter{}.On(m).Value()), second(crdt.ORSet[string]{}.On(m).Len()),
			second(collect(crdt.ORSet[string]{}.On(m).All())), second(crdt.Vote{}.On(m).Tally()), second(crdt.ORMap[string]{}.On(m).Has("k")),
		},
		"key": {
			crdt.At[crdt.ORSet[string]](in, "k").Add("x"), crdt.At[crdt.Flag](in, "k").Enable(), crdt.At[crdt.ORMap[string]](in, "k").Clear(),
			second(crdt.At[crdt.GCounter](in, "k").Add(1)), second(crdt.At[crdt.GCounter](in, "k").Value()),
		},
	} {
		for i, err := range errs {
			if !errors.Is(err, crdt.ErrKind) {
				t.Errorf("%s, %d: %v", where, i, err)
			}
		}
	}
	if n := must[int64](t)(crdt.PNCounter{}.On(m).Value()); n != 1 {
		t.Errorf("%d", n)
	}
	if n := must[int64](t)(crdt.At[crdt.PNCounter](in, "k").Value()); n != 1 {
		t.Errorf("%d", n)
	}
}

func second[R any](_ R, err error) error { return err }

func TestHandlesOfWhatIsDeleted(t *testing.T) {
	t.Parallel()
	m := &memory{deleted: true}
	in := crdt.ORMap[string]{}.On(m)
	for i, err := range []error{
		second(crdt.PNCounter{}.On(m).Add(1)), second(crdt.PNCounter{}.On(m).Value()), crdt.Flag{}.On(m).Enable(), crdt.Vote{}.On(m).Vote(true),
		crdt.ORSet[string]{}.On(m).Remove("x"), second(collect(crdt.ORSet[string]{}.On(m).All())), crdt.Register[int]{}.On(m).Set(1), in.Remove("k"),
		second(crdt.At[crdt.GCounter](in, "k").Add(1)), second(crdt.At[crdt.GCounter](in, "k").Value()),
	} {
		if !errors.Is(err, crdt.ErrDeleted) {
			t.Errorf("%d: %v", i, err)
		}
	}
}
