package koalahttp

import (
	"context"
	"time"
)

// Cluster is what the API serves: members, IDs and positions. It is safe for
// concurrent use, and its methods return when their context ends.
//
// The errors below and mallee.ErrInvalid are final: the client gets their text
// with status 400. After any other error the handler calls again for a while,
// so it has to be safe to repeat the call.
type Cluster interface {
	// NextID gives an ID for a host: 1 or more, and never again.
	NextID(ctx context.Context) (int64, error)

	// Sequence gives an ID that the sequence never gives again, 1 or more. key
	// is "token", or "sequence/" and any text of up to mallee.MaxKeyLength bytes.
	// step, 100 to 1,000,000, is how many IDs a process may reserve at once; the
	// first call for a key in a process fixes it there.
	Sequence(ctx context.Context, key string, step int64) (int64, error)

	// Register makes h a member for ttl, unless it is renewed, and returns its
	// lease, which is not 0. From then on Hosts lists it. ErrNotIssued when its
	// ID is none of NextID, ErrRegistered when it was registered ever before, or
	// is too old to be; but a repeat for the same ID, Address and StartTime, while
	// its lease lives, gets that lease again.
	Register(ctx context.Context, h Host, ttl time.Duration) (lease int64, err error)

	// KeepAlive renews a lease and sets the load of its host. ErrNoLease when
	// the lease is not the host's or has ended, ErrNoHost after Delete: either
	// makes the host exit.
	KeepAlive(ctx context.Context, id, lease, load int64) error

	// Delete ends the membership of a host, if addr is its address: its lease
	// is gone, and Hosts tells of a leave. Otherwise it does nothing.
	Delete(ctx context.Context, id int64, addr string) error

	// Hosts lists members of all kinds, and who has joined or left within
	// EventLife, in order of time: no process may forget who left when it starts
	// or another one leads, and nobody who is a member may have left. Those whose address is not host:port, with IPv4 if it is an IP,
	// are not told of.
	Hosts(ctx context.Context) ([]Host, []Event, error)

	// Position finds the member that has an actor, or gives the actor to one.
	// Only the leader is asked. ErrNoType, ErrNoServer.
	Position(ctx context.Context, actorType, actorID string) (Position, error)

	// Leader says whether this process decides positions, or else the base URL
	// of the client port of the one that does: "http://10.0.0.1:2379". While
	// there is none, it is an error.
	Leader(ctx context.Context) (here bool, url string, err error)
}

// Final errors of a Cluster. Their texts are Koala's, and go to the client; the
// first two follow on "RegisterNewServer, ServerID:7".
var (
	ErrNotIssued  = refuse("was never issued")
	ErrRegistered = refuse("exist")
	ErrNoHost     = refuse("ServerID not found")
	ErrNoLease    = refuse("etcdserver: requested lease not found")
	ErrNoType     = refuse("not find actor type")
	ErrNoServer   = refuse("without enough server")
)

// Host is a member as Koala knows it.
type Host struct {
	ServerID  int64             `json:"server_id"`
	Load      int64             `json:"load"`       // less than 0: gets no new actors
	StartTime int64             `json:"start_time"` // when it registered, in Unix milliseconds
	TTL       int64             `json:"ttl"`        // of its lease, in seconds
	Address   string            `json:"address"`    // ip:port of its KOLA listener
	Services  map[string]string `json:"services"`   // interface to implementation; those without one do not count
	Desc      string            `json:"desc"`
	Labels    map[string]string `json:"labels"`
}

// Event tells who joined and left at one time.
type Event struct {
	Time   int64   `json:"time"` // in Unix milliseconds
	Add    []int64 `json:"add"`
	Remove []int64 `json:"remove"`
}

// Position is where an actor lives.
type Position struct {
	Created  time.Time // when the actor was given to the member
	ServerID int64
	Address  string
}
