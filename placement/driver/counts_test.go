package driver_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/placement/driver"
)

// Whatever happens, members are told to have the grants that are listed as
// theirs, and their weights; and epochs grow.
func TestCounts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		types := []placement.Type{{Name: "A", Weight: 1}, {Name: "B", Weight: 7}, {Name: "C", Weight: 1, Strategy: mallee.Hashed}}
		hosts := func(label string) []placement.Type {
			return rapid.SliceOfNDistinct(rapid.SampledFrom(types), 0, 3, func(t placement.Type) string { return t.Name }).Draw(t, label)
		}
		members := []placement.Member{{ID: 1, Types: hosts("types of 1")}, {ID: 2, Types: hosts("types of 2")}}
		d := newDirectory(members)
		d.SetSettings(driver.Settings{Settle: -1})
		lastID, lastEpoch := placement.NodeID(2), uint64(0)
		node := func() placement.NodeID { return placement.NodeID(rapid.IntRange(1, int(lastID)).Draw(t, "node")) }
		id := rapid.Custom(func(t *rapid.T) mallee.ID {
			return mallee.ID{Type: rapid.SampledFrom(types).Draw(t, "type").Name, Key: fmt.Sprint(rapid.IntRange(0, 9).Draw(t, "key"))}
		})
		t.Repeat(map[string]func(*rapid.T){
			"join": func(t *rapid.T) {
				lastID++
				d.Join(placement.Member{ID: lastID, Types: hosts("types")})
			},
			"lost": func(t *rapid.T) { d.Lost(node()) },
			"report": func(t *rapid.T) {
				var held []driver.Held
				for range rapid.IntRange(0, 3).Draw(t, "grants") {
					held = append(held, driver.Held{ID: id.Draw(t, "id"), Epoch: uint64(rapid.IntRange(1, 100).Draw(t, "epoch"))})
				}
				d.Report(node(), held, rapid.Bool().Draw(t, "last"))
			},
			"locate": func(t *rapid.T) {
				if a, _ := d.Locate(1, driver.Question{ID: id.Draw(t, "id"), From: node()}); a.New {
					if a.Grant.Epoch <= lastEpoch {
						t.Fatalf("epoch %d after %d", a.Grant.Epoch, lastEpoch)
					}
					lastEpoch = a.Grant.Epoch
				}
			},
			"release": func(t *rapid.T) {
				actor := id.Draw(t, "id")
				if g, ok := d.Owner(actor); ok {
					d.Release(actor, g, node())
				}
			},
			"plan": func(t *rapid.T) {
				for _, m := range d.Plan(3) {
					if g, _ := d.Owner(m.ID); g != m.Grant || m.To == g.Node {
						t.Fatalf("%+v, and the owner is %+v", m, g)
					}
				}
			},
			"": func(t *rapid.T) {
				all, _ := d.Page(driver.Filter{}, mallee.ID{}, 1000)
				actors, weights := make(map[placement.NodeID]int), make(map[placement.NodeID]int)
				for _, p := range all {
					actors[p.Grant.Node]++
					weights[p.Grant.Node]++
				}
				for _, n := range d.Nodes() {
					for _, p := range all {
						if of, hosts := n.Member.Hosts(p.ID.Type); p.Grant.Node == n.Member.ID && hosts {
							weights[n.Member.ID] += of.Weight - 1
						}
					}
					if n.Actors != actors[n.Member.ID] || n.Load != weights[n.Member.ID] {
						t.Fatalf("node %v is said to have %d actors and the load %d, but has %d and %d", n.Member.ID, n.Actors, n.Load, actors[n.Member.ID], weights[n.Member.ID])
					}
					delete(actors, n.Member.ID)
				}
				if len(actors) > 0 {
					t.Fatalf("who is no member has actors: %v", actors)
				}
			},
		})
	})
}
