package chaos_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/mallee-io/mallee/internal/chaos"
	"github.com/mallee-io/mallee/internal/local"
)

var whole = chaos.Size{Nodes: 3, PDs: 3, Gateways: 2, Lease: 2 * time.Second, Pauses: true, Links: true, Store: true}

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
			Nodes: rapid.IntRange(1, 5).Draw(t, "nodes"), Gateways: rapid.IntRange(0, 3).Draw(t, "gateways"), PDs: rapid.SampledFrom([]int{1, 3, 5}).Draw(t, "pds"),
			Lease:  time.Duration(rapid.IntRange(1, 10).Draw(t, "lease")) * time.Second,
			Pauses: rapid.Bool().Draw(t, "pauses"), Links: rapid.Bool().Draw(t, "links"), Store: rapid.Bool().Draw(t, "store"),
			Only: rapid.SliceOfNDistinct(rapid.SampledFrom(chaos.Kinds()), 0, 3, rapid.ID).Draw(t, "only"),
		}
		length := time.Duration(rapid.IntRange(0, 600).Draw(t, "seconds")) * time.Second
		took := time.Duration(0)
		for _, s := range chaos.Plan(rapid.Uint64().Draw(t, "seed"), length, size) {
			took += checkStep(t, s, size)
		}
		if took > length {
			t.Errorf("the plan takes %v of %v", took, length)
		}
	})
}

// checkStep returns how long the step takes.
func checkStep(t *rapid.T, s chaos.Step, size chaos.Size) (took time.Duration) {
	for _, f := range s {
		checkFault(t, f, size)
		took = max(took, f.After+f.For)
	}
	if len(s) > 2 || len(s) == 2 && (s[1].After < s[0].After || s[1].After > s[0].After+s[0].For || target(s[0]) == target(s[1])) {
		t.Errorf("not two faults of different targets that overlap: %+v", s)
	}
	return took
}

func target(f chaos.Fault) string {
	switch f.Kind {
	case chaos.KillPD, chaos.RestartLeader, chaos.PauseLeader, chaos.IsolateLeader, chaos.PausePDs, chaos.KillPDs:
		return "PDs"
	case chaos.KillGateway, chaos.PauseGateway, chaos.CutGateway, chaos.IsolateGateway, chaos.DropClients, chaos.RollGateway:
		return "gateways"
	}
	return "nodes"
}

func checkFault(t *rapid.T, f chaos.Fault, size chaos.Size) {
	if (f.Kind == chaos.PauseNode || f.Kind == chaos.IsolateNode || f.Kind == chaos.KillPDs) && f.For <= size.Lease || f.Kind == chaos.PausePDs && f.For >= size.Lease {
		t.Errorf("%s for %v with a lease of %v", f.Kind, f.For, size.Lease)
	}
	if !size.Pauses && (f.Kind == chaos.PauseNode || f.Kind == chaos.PausePDs || f.Kind == chaos.PauseLeader) || !size.Links && len(f.Links) > 0 {
		t.Errorf("%s is not possible", f.Kind)
	}
	if len(size.Only) > 0 && !slices.Contains(size.Only, f.Kind) {
		t.Errorf("%s is not among %v", f.Kind, size.Only)
	}
	there := map[string]bool{"": true, local.StoreName: size.Store}
	for n := range size.Nodes {
		there[local.NodeName(n+1)] = true
	}
	for n := range size.Gateways {
		there[local.GatewayName(n+1)] = true
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

// A minute and a half is what people give it, so all kinds must fit.
func TestPlanHasAllKinds(t *testing.T) {
	t.Parallel()
	all := 0
	for seed := range uint64(100) {
		kinds := make(map[chaos.Kind]bool)
		pairs := 0
		for _, s := range chaos.Plan(seed, 90*time.Second, whole) {
			pairs += len(s) - 1
			for _, f := range s {
				kinds[f.Kind] = true
			}
		}
		if len(kinds) != len(chaos.Kinds()) {
			t.Errorf("seed %d has %d kinds of faults: %v", seed, len(kinds), kinds)
		}
		all += pairs
	}
	if all < 200 {
		t.Errorf("only %d times two faults are at once", all)
	}
}

// What is asked for and not possible is not endlessly looked for.
func TestPlanOfNothing(t *testing.T) {
	t.Parallel()
	if plan := chaos.Plan(1, time.Hour, chaos.Size{Nodes: 1, PDs: 3, Lease: time.Second, Only: []chaos.Kind{chaos.CutLink}}); len(plan) != 0 {
		t.Errorf("got %v", plan)
	}
}
