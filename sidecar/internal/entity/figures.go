package entity

import "sync/atomic"

// Figures count what the entities of one type do. They only grow, but for those
// that say so.
type Figures struct {
	Activated  atomic.Int64
	Passivated atomic.Int64
	Streams    atomic.Int64 // opened
	Failed     atomic.Int64 // streams that have failed, so that the entity had to recover

	Commands       atomic.Int64 // that came
	FailedCommands atomic.Int64 // that ended with an error, be it a failure that the user function has answered with

	LoadedEvents      atomic.Int64
	LoadedSnapshots   atomic.Int64
	WrittenRows       atomic.Int64 // events, snapshots and values
	WrittenBytes      atomic.Int64 // of them
	Outgoing          atomic.Int64 // forwards and effects that were recorded
	OutgoingAgain     atomic.Int64 // that were carried out once more
	OutgoingAbandoned atomic.Int64 // whose target refused them for good
}
