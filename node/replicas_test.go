package node_test

import (
	"testing"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/crdt"
	"github.com/mallee-io/mallee/node"
)

// No two IDs have one value, and a node that hosts nothing has values too.
func TestReplicasOfSimilarIDs(t *testing.T) {
	t.Parallel()
	n := join(t, node.Config{})
	ids := []mallee.ID{{Type: "a", Key: "b/c"}, {Type: "a/b", Key: "c"}, {Type: "a%2Fb", Key: "c"}, {Type: "a%252Fb", Key: "c"}, {Key: "a/b/c"}}
	for i, id := range ids {
		r := mallee.NewReplicated[crdt.PNCounter](n, id)
		if err := r.Wait(t.Context(), crdt.Local); err != nil {
			t.Fatal(err)
		}
		if got, err := r.Value.Add(int64(i + 1)); err != nil || got != int64(i+1) {
			t.Errorf("%v has %d, %v", id, got, err)
		}
	}
}
