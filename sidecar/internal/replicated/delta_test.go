package replicated_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"pgregory.net/rapid"

	"github.com/mallee-io/mallee/crdt"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/crdtpb"
	v01 "github.com/mallee-io/mallee/internal/gen/cloudstatepb/crdtpb/v01"
	"github.com/mallee-io/mallee/sidecar/internal/replicated"
)

func TestElements(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := &anypb.Any{TypeUrl: rapid.String().Draw(t, "type"), Value: rapid.SliceOf(rapid.Byte()).Draw(t, "value")}
		back, err := replicated.AnyOf(replicated.ElementOf(a))
		if err != nil || !proto.Equal(a, back) {
			t.Fatalf("%v became %v, %v", a, back, err)
		}
	})
	if e := replicated.ElementOf(nil); e != replicated.ElementOf(&anypb.Any{}) {
		t.Errorf("none is as %q", e)
	}
}

// FuzzAnyOf: an element is either one that an Any has, or refused.
func FuzzAnyOf(f *testing.F) {
	f.Add("")
	f.Add(replicated.ElementOf(text("x")))
	f.Add("\x12\x01x\x0a\x01t") // in another order
	f.Add("\x0a\x00")           // with an empty field
	f.Add("\x0a\x81\x00x")      // with a long length
	f.Add("\x0a\x01\xff")       // not a text
	f.Add("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")
	f.Fuzz(func(t *testing.T, element string) {
		a, err := replicated.AnyOf(element)
		if err != nil {
			return
		}
		if back := replicated.ElementOf(a); back != element {
			t.Errorf("%q became %q", element, back)
		}
		if _, err := proto.Marshal(a); err != nil {
			t.Error(err)
		}
	})
}

// FuzzDelta: whatever a user function sends is read, or refused; what is read can
// be said again, and means the same. A view of it can be told in both dialects.
func FuzzDelta(f *testing.F) {
	for _, d := range []*crdtpb.CrdtDelta{
		gcounter(1), gcounter(1 << 63), pncounter(-1), gset("a", "b"), orset(true, []string{"a"}, []string{"b"}), register("x", 3, 7), flag(true), vote(true),
		ormap(&crdtpb.ORMapDelta{Cleared: true, Removed: texts("a"), Updated: under("b", gcounter(1)), Added: under("c", ormap(&crdtpb.ORMapDelta{Added: under("d", flag(false))}))}),
		ormap(&crdtpb.ORMapDelta{Added: under("c", nil)}), register("x", 4, 0),
	} {
		b, err := proto.Marshal(d)
		must(err)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var p crdtpb.CrdtDelta
		if proto.Unmarshal(b, &p) == nil {
			if d, err := replicated.DeltaOf(&p); err == nil {
				again(t, d, func() (*crdt.Delta, error) {
					p, err := replicated.ProtoOf(d)
					must(err)
					return replicated.DeltaOf(p)
				})
			}
		}
		var old v01.CrdtDelta
		if proto.Unmarshal(b, &old) == nil {
			if d, err := replicated.OldDeltaOf(&old); err == nil {
				again(t, d, func() (*crdt.Delta, error) {
					p, err := replicated.OldProtoOf(d)
					must(err)
					return replicated.OldDeltaOf(p)
				})
			}
		}
	})
}

// again checks that a delta which was said and read once more does the same.
func again(t *testing.T, d *crdt.Delta, read func() (*crdt.Delta, error)) {
	back, err := read()
	if err != nil {
		t.Fatalf("%+v cannot be read again: %v", d, err)
	}
	var one, other crdt.View
	if err := one.Apply(d); err != nil {
		return
	}
	if err := other.Apply(back); err != nil {
		t.Fatalf("%+v became %+v: %v", d, back, err)
	}
	if diff, err := crdt.Diff(&one, &other); diff != nil || err != nil {
		t.Fatalf("%+v became %+v", d, back)
	}
	initial, err := crdt.Diff(nil, &one)
	must(err)
	state, err := replicated.StateOf(initial)
	must(err)
	from, err := replicated.InitialOf(state)
	must(err)
	var third crdt.View
	if err := third.Apply(from); err != nil {
		t.Fatalf("%v: %v", state, err)
	}
	if diff, err := crdt.Diff(&one, &third); diff != nil || err != nil {
		t.Fatalf("%v is not %+v", state, one)
	}
}

func TestForeignElementsAreNotShown(t *testing.T) {
	t.Parallel()
	for _, d := range []*crdt.Delta{
		{Kind: crdt.KindGSet, Added: []string{"x"}},
		{Kind: crdt.KindORSet, Added: []string{"x"}},
		{Kind: crdt.KindRegister, Value: "x"},
		{Kind: crdt.KindORMap, Inserted: []crdt.Entry{{Key: "x", Delta: &crdt.Delta{Kind: crdt.KindFlag}}}},
		{Kind: crdt.KindORMap, Updated: []crdt.Entry{{Key: "", Delta: &crdt.Delta{Kind: crdt.KindRegister, Value: "x"}}}},
		{Kind: 99},
	} {
		if p, err := replicated.ProtoOf(d); err == nil {
			t.Errorf("%+v is %v", d, p)
		}
		if p, err := replicated.OldProtoOf(d); err == nil {
			t.Errorf("%+v is %v", d, p)
		}
		if p, err := replicated.StateOf(d); err == nil && len(d.Updated) == 0 {
			t.Errorf("%+v is %v", d, p)
		}
	}
}

func TestDeepMapsAreRefused(t *testing.T) {
	t.Parallel()
	d := gcounter(1)
	for range 1000 {
		d = ormap(&crdtpb.ORMapDelta{Added: under("k", d)})
	}
	inWorld(t, func(w *world) {
		c := w.do("a")
		w.says(answer{id: 1, update: d}.reply())
		w.got(c, "failed: Entity terminating")
		if len(w.reports) != 1 || !strings.Contains(w.reports[0], "deep") {
			t.Errorf("the developer was told %q", w.reports)
		}
	})
}
