package node

import (
	"context"
	"fmt"

	"github.com/mallee-io/mallee/placement"
)

// Members are the nodes of the cluster that are alive, this one included.
func (n *Node) Members(ctx context.Context) ([]placement.NodeID, error) {
	members, err := n.config.Placement.Members(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the members of the cluster: %w", err)
	}
	ids := make([]placement.NodeID, len(members))
	for i := range members {
		ids[i] = members[i].ID
	}
	return ids, nil
}
