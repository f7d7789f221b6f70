// Package mallee is the vocabulary to write actors: small objects with a key,
// state and methods that run one at a time, wherever in a cluster they live.
//
// # An actor
//
// A plain Go interface is the contract. Each method takes a context and
// returns an error:
//
//	//go:generate go run github.com/mallee-io/mallee/cmd/mallee generate
//
//	// Player is one player of the game.
//	//
//	//mallee:actor
//	type Player interface {
//		Give(ctx context.Context, item string, n int) (total int, err error)
//		//mallee:readonly
//		Bag(ctx context.Context) (items map[string]int, err error)
//	}
//
// go generate writes PlayerType, PlayerOf and PlayerRef next to it. The actor
// is any type that implements the interface; its constructor gets a [Self]:
//
//	type player struct {
//		self *mallee.Self
//		bag  *mallee.State[Bag]
//	}
//
//	func NewPlayer(self *mallee.Self) Player {
//		return &player{self, mallee.NewState[Bag](self, "bag")}
//	}
//
//	func (p *player) Give(ctx context.Context, item string, n int) (int, error) {
//		p.bag.Value.Items[item] += n
//		return p.bag.Value.Items[item], p.bag.Save(ctx)
//	}
//
// # Calling it
//
// A node runs actors. A reference calls one, like any value of the interface;
// the actor is activated by its first call and ends when it is idle
// ([IdleTimeout]). See the package example.
//
// Inside of an actor its Self is the [Caller]: RoomOf(p.self, "hall").Join(ctx).
// Pass the ctx that the method got: it carries the deadline and the call chain.
//
// # Turns
//
// One turn at a time touches an actor, so it needs no locks. While a turn waits
// in a call of its own, a call of the same chain that comes back runs as a
// nested turn: after a call, look again at what may have changed. Other chains
// wait. [NonReentrant] refuses such cycles instead. Methods marked
// //mallee:readonly interleave with each other; //mallee:oneway methods return
// to the caller when the mailbox has taken the call.
//
// Goroutines that a turn starts must not touch the actor after the turn; they
// may make calls with the turn's ctx until then.
//
// # Arguments
//
// Arguments and results are copied, on one node as between two, unless
// //mallee:immutable says that nobody changes them. What can travel: basic
// types, strings, slices, arrays, maps, pointers, structs by exported field
// (mallee:"name" renames one, mallee:"-" leaves it out), time.Time (as an
// instant: it arrives in UTC), protobuf messages, and whatever implements
// encoding.BinaryMarshaler or TextMarshaler. Values that a caller's context
// carries do not travel.
//
// # Errors
//
// Every error of a call is an [Error] with a [Code]. [NewError] makes sentinels
// that errors.Is knows on every node. [SafeToRetry] tells whether the call has
// certainly done nothing.
//
// # What it keeps
//
// A [State] is one value: read before the actor's first turn, written by Save. A
// [Table] is many records, read when they are asked for. A [Journal] is a history
// of events, and the state that they add up to. A method returns after its writes
// are durable; one that fails ends the activation, because what is in memory is
// then not what is stored.
//
// # Time
//
// Timers ([Self.Every], [Self.After]) run as turns and end with the activation.
// [Reminders] outlive it. [Activator] and [Deactivator] are called at the
// beginning and the end of an activation.
//
// # What all share
//
// A [Replicated] value has a copy on every node: counters, sets, registers, flags,
// maps and votes of package crdt. Reads and changes are of the caller's node, at
// once; all copies become equal. It needs no actor, and actors use it too.
// docs/replicated.md says when.
//
// # Clients
//
// A [Client] is an actor that clients talk to, over a gateway: each of their
// connections is a [Session]. [Self.Send] and [Group] send to sessions, wherever
// they are, and the connection stays when the actor moves. docs/sessions.md says
// what may be lost.
//
// # Many processes
//
// The same program runs in as many processes as it is started in, once it is
// told of a cluster: by MALLEE_PD=host:port or node.Config.PD, the addresses of
// the placement driver (mallee pd), and by a node.Config.Store that all of them
// share. Each actor then lives on one of the nodes, and its references find it
// there. When a node stops, its actors move to the others while they are
// called; when it dies, they are activated elsewhere after its lease has ended.
//
// [Placed], [Labeled] and [Weight] say where actors of a type may live. A
// [Migrator] takes along what it has in memory. docs/cluster.md is a walk
// through it.
package mallee
