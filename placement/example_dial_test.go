package placement_test

import (
	"context"
	"fmt"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/placement"
)

// A tool joins without types, and asks where an actor lives. Nodes give the
// Driver to node.Config.Placement instead.
func ExampleDial() {
	ctx := context.Background()
	d := placement.Dial("pd1:2379,pd2:2379,pd3:2379")
	lease, err := d.Join(ctx, placement.Member{Name: "finder"}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = d.Leave(ctx, lease.ID) }()
	grant, err := d.Locate(ctx, lease.ID, mallee.ID{Type: "Player", Key: "1001"})
	fmt.Println(grant.Node, err)
}
