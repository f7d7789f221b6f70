package replicated

import "sync/atomic"

// Figures count what the entities of one service do on this node. They only grow.
type Figures struct {
	Activated  atomic.Int64 // instances
	Passivated atomic.Int64 // that have ended in good order
	Failed     atomic.Int64 // that have not
	Streams    atomic.Int64 // opened

	Commands       atomic.Int64 // that came
	FailedCommands atomic.Int64 // that ended with an error, be it a failure that the user function has answered with
	Cancels        atomic.Int64 // of streams whose caller has left

	Changes    atomic.Int64 // that the user function has made
	Deltas     atomic.Int64 // that it was told of
	Unattained atomic.Int64 // changes that have not reached as many nodes as they had to in time
}
