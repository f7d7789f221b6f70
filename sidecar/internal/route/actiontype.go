package route

import (
	"context"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/sidecar/internal/command"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
)

// ActionType is the actor type of an action, so that all in the cluster can call
// it: as stateless workers on each node that has the user function, under any
// key. Each call that runs takes one of them; who makes hundreds at once should
// spread them over some keys.
func (r *Router) ActionType(s *spec.Service) mallee.Type {
	return mallee.Type{
		Name:        s.Name,
		New:         func(self *mallee.Self) any { return self },
		Interfaces:  []mallee.Interface{command.Interface(s)},
		IdleTimeout: workerIdle,
		MailboxSize: mallee.DefaultMailboxSize,
		Workers:     maxWorkers,
		Answer: func(ctx context.Context, self any, call mallee.Call) error {
			return command.Answer(call, s, func(c *command.Command) error {
				return r.act(ctx, self.(*mallee.Self), c, firstTo(c))
			})
		},
	}
}

// An action has no limit of its own; this one is of calls at once, for each key.
const (
	maxWorkers = 4096
	workerIdle = time.Minute
)
