package chaos_test

import (
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/mallee-io/mallee/internal/chaos"
	"github.com/mallee-io/mallee/internal/local"
)

var whole = chaos.Size{Nodes: 3, PDs: 3, Lease: 2 * time.Second, Pauses: true, Links: true}

func TestPlanIsThatOfItsSeed(t *testing.T) {
	t.Parallel()
	one, two := chaos.Plan(7, time.Hour, whole), chaos.Plan(8, time.Hour, whole)
	if !reflect.DeepEqual(one, chaos.Plan(7, time.Hour, whole)) {
		t.Error("the same seed gave another plan")
	}
	if reflect.DeepEqual(one, two) {
		t.Error("another seed gave the same plan")
	}
}

func TestPlan(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		size := chaos.Size{
			Nodes: rapid.IntRange(1, 5).Draw(t, "nodes"), PDs: rapid.SampledFrom([]int{1, 3, 5}).Draw(t, "pds"),
			Lease:  time.Duration(rapid.IntRange(1, 10).Draw(t, "lease")) * time.Second,
			Pauses: rapid.Bool().Draw(t, "pauses"), Links: rapid.Bool().Draw(t, "links"),
		}
		length := time.Duration(rapid.IntRange(0, 600).Draw(t, "seconds")) * time.Second
		took := time.Duration(0)
		for _, f := range chaos.Plan(rapid.Uint64().Draw(t, "seed"), length, size) {
			took += f.After + f.For
			checkFault(t, f, size)
		}
		if took > length {
			t.Errorf("the plan takes %v of %v", took, length)
		}
	})
}

func checkFault(t *rapid.T, f chaos.Fault, size chaos.Size) {
	if (f.Kind == chaos.PauseNode || f.Kind == chaos.IsolateNode || f.Kind == chaos.KillPDs) && f.For <= size.Lease || f.Kind == chaos.PausePDs && f.For >= size.Lease {
		t.Errorf("%s for %v with a lease of %v", f.Kind, f.For, size.Lease)
	}
	if !size.Pauses && (f.Kind == chaos.PauseNode || f.Kind == chaos.PausePDs) || !size.Links && len(f.Links) > 0 {
		t.Errorf("%s is not possible", f.Kind)
	}
	there := map[string]bool{"": true}
	for n := range size.Nodes {
		there[local.NodeName(n+1)] = true
	}
	for n := range size.PDs {
		there[local.PDName(n+1)] = true
	}
	for _, l := range f.Links {
		if !there[l.From] || !there[l.To] || l.From == l.To || l.From == "" {
			t.Errorf("%s of the link %s", f.Kind, l)
		}
	}
	if !there[f.Process] {
		t.Errorf("%s of %q", f.Kind, f.Process)
	}
}

// A minute is what people give it, so all kinds must fit.
func TestPlanHasAllKinds(t *testing.T) {
	t.Parallel()
	for seed := range uint64(100) {
		kinds := make(map[chaos.Kind]bool)
		for _, f := range chaos.Plan(seed, time.Minute, whole) {
			kinds[f.Kind] = true
		}
		if len(kinds) != 12 {
			t.Errorf("seed %d has %d kinds of faults: %v", seed, len(kinds), kinds)
		}
	}
}
