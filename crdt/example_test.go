package crdt_test

import (
	"fmt"
	"slices"

	"github.com/mallee-io/mallee/crdt"
)

// Two replicas change a set at the same time. The batch of one reaches the other as
// an effect: what it has cleared is the milk, and not the second bread.
func ExampleValue_Apply() {
	var seen crdt.Clock // what replica 2 has seen
	first, second := crdt.Dot{Replica: 1, Seq: 1}, crdt.Dot{Replica: 2, Seq: 1}
	one, two := crdt.NewValue(crdt.KindORSet), crdt.NewValue(crdt.KindORSet)

	try(one.Change(first, 0, &crdt.Delta{Kind: crdt.KindORSet, Added: []string{"bread", "milk"}}))
	_, err := two.Apply(first, &seen, one.AppendEffect(nil, first))
	try(err)
	seen.See(first)

	try(two.Change(second, 0, &crdt.Delta{Kind: crdt.KindORSet, Cleared: true, Added: []string{"tea"}}))
	first.Seq++
	try(one.Change(first, 0, &crdt.Delta{Kind: crdt.KindORSet, Added: []string{"bread"}}))
	_, err = one.Apply(second, &seen, two.AppendEffect(nil, second))
	try(err)

	fmt.Println(slices.Sorted(one.Elements()))
	// Output: [bread tea]
}

// Two nodes that have lost sight of each other: one gets the other's state. By the
// clocks each knows what the other cannot have seen.
func ExampleValue_Merge() {
	var mine, theirs crdt.Clock
	one, two := crdt.NewValue(crdt.KindPNCounter), crdt.NewValue(crdt.KindPNCounter)
	for seq := range uint64(3) {
		at := crdt.Dot{Replica: 1, Seq: seq + 1}
		_, err := one.Count(at, 2)
		try(err)
		mine.See(at)
	}
	at := crdt.Dot{Replica: 2, Seq: 1}
	_, err := two.Count(at, -1)
	try(err)
	theirs.See(at)

	state, err := two.AppendBinary(nil)
	try(err)
	arrived, err := crdt.ParseValue(state)
	try(err)
	changed, err := one.Merge(&mine, arrived, &theirs)
	try(err)
	fmt.Println(one.Total(), changed)
	// Output: 5 true
}

// A user that does not know of replicas is told what has changed since it looked.
func ExampleDiff() {
	members := crdt.Electorate{Self: 1, Members: []crdt.ReplicaID{1}}
	v := crdt.NewValue(crdt.KindORMap)
	likes := func(n int64) []crdt.Entry {
		return []crdt.Entry{{Key: "likes", Delta: &crdt.Delta{Kind: crdt.KindPNCounter, Change: n}}}
	}
	try(v.Change(crdt.Dot{Replica: 1, Seq: 1}, 0, &crdt.Delta{Kind: crdt.KindORMap, Inserted: likes(3)}))
	before := v.View(members)
	try(v.Change(crdt.Dot{Replica: 1, Seq: 2}, 0, &crdt.Delta{Kind: crdt.KindORMap, Updated: likes(-1)}))

	d, err := crdt.Diff(before, v.View(members))
	try(err)
	for _, e := range d.Updated {
		fmt.Println(e.Key, e.Delta.Change)
	}
	// Output: likes -1
}

func try(err error) {
	if err != nil {
		panic(err)
	}
}
