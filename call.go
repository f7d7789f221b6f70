package mallee

import "context"

// Caller is what references call through: a node (outside of actors) or a
// *Self (inside of one). It is safe for concurrent use.
type Caller interface {
	// Invoke runs the call on the actor, wherever it lives, and returns when
	// the results are in the call, the call has failed, or, for a one-way
	// call, the actor's mailbox has taken it. After an error the call may still
	// be running: its fields must not be read. The error is an *Error.
	Invoke(ctx context.Context, id ID, call Call) error
}

// Call is one call of a method: its arguments, a place for its results, and
// how to run it on an actor and to carry both to another node. Generated code
// implements it, one small type per method; the runtime uses each value once.
type Call interface {
	Interface() string // name of the interface that declares the method
	Method() string    // name of the method
	Flags() CallFlags

	// Run calls the method on the actor. The error is the method's own.
	Run(ctx context.Context, actor any) error

	// Args and Results point to structs with an exported field for each
	// argument and result, for the edges that speak JSON.
	Args() any
	Results() any

	// CopyArgs and CopyResults replace whatever holds references by deep
	// copies, so that caller and actor share no memory when both are on one
	// node. They do nothing where nothing is shared, and fail where encoding
	// would.
	CopyArgs() error
	CopyResults() error

	// Arguments and results travel as positional MessagePack arrays: missing
	// ones are zero and surplus ones are skipped, so that a method can grow.
	AppendArgs(b []byte) ([]byte, error)
	DecodeArgs(b []byte) error
	AppendResults(b []byte) ([]byte, error)
	DecodeResults(b []byte) error
}

// CallFlags are what the directives above a method say of it.
type CallFlags uint8

const (
	// OneWay methods have no result: the caller goes on as soon as the mailbox
	// has taken the call.
	OneWay CallFlags = 1 << iota
	// ReadOnly methods change nothing, so they interleave with one another
	// while one of them waits.
	ReadOnly
)
