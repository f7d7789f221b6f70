package crowd

import (
	"context"

	"github.com/mallee-io/mallee"
)

// Relay makes calls of others from the node where it lives, so that there are
// calls from node to node.
//
//mallee:actor
type Relay interface {
	Pass(ctx context.Context, a Ask) (result int64, err error)
}

type relay struct{ self *mallee.Self }

func (r *relay) Pass(ctx context.Context, a Ask) (result int64, err error) {
	return a.Call(ctx, r.self)
}
