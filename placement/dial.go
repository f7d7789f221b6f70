package placement

import (
	"context"
	"crypto/tls"
	"log/slog"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mallee-io/mallee"
	pb "github.com/mallee-io/mallee/internal/gen/placementpb"
	"github.com/mallee-io/mallee/placement/driver"
	"github.com/mallee-io/mallee/placement/internal/words"
)

// DialConfig says how a node reaches the placement driver.
type DialConfig struct {
	// Addrs are the addresses of its processes, host:port. One that can be
	// reached is enough: it knows who leads.
	Addrs []string

	// Cluster is the name of the cluster, which must be that of the placement
	// driver. Defaults to "mallee", as it does there.
	Cluster string

	// TLS encrypts the connections; for mutual authentication it needs a
	// certificate. The host of an address must be in the certificate of the
	// process, or ServerName. Defaults to plain TCP, for networks that are trusted.
	TLS *tls.Config

	// LeaseTTL is how long a node that has gone silent stays a member. Defaults
	// to what the placement driver has been told.
	LeaseTTL time.Duration

	// Log gets what happens to the connection. Defaults to slog.Default.
	Log *slog.Logger
}

// Dial is DialWith for addresses that are separated by commas, such as
// "pd1:2379,pd2:2379,pd3:2379".
func Dial(addrs string) Driver {
	return DialWith(DialConfig{Addrs: strings.Split(addrs, ",")})
}

// DialWith is the Driver of a node whose cluster is run by processes of the
// placement driver. It connects when it is used first, and is a Resolver too.
//
// It serves one node at a time, which joins anew after it has lost its lease.
// While no process answers, Locate waits until its context ends, since the
// cluster may come back. Members and Resolve can be used without joining.
func DialWith(config DialConfig) Driver {
	if config.Cluster == "" {
		config.Cluster = "mallee"
	}
	if config.Log == nil {
		config.Log = slog.Default()
	}
	p := newProcesses(config.Addrs, config.TLS)
	return &dialed{config: config, processes: p, roster: roster{processes: p}, begun: time.Now()}
}

type dialed struct {
	config    DialConfig
	processes *processes
	roster    roster
	begun     time.Time // times of holders count from here, by the monotonic clock

	joining sync.Mutex // one Join or Leave at a time
	mu      sync.Mutex
	member  *membership // nil before the first Join
	name    string      // of that member
}

var (
	_ Driver   = (*dialed)(nil)
	_ Resolver = (*dialed)(nil)
)

// now is the time that holders count by.
func (d *dialed) now() time.Duration { return time.Since(d.begun) }

// current is the membership of a node, nil when it has none.
func (d *dialed) current(node NodeID) *membership {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.member == nil || d.member.id != node {
		return nil
	}
	return d.member
}

// of is the membership of a node that asks.
func (d *dialed) of(node NodeID) (*membership, error) {
	if m := d.current(node); m != nil {
		return m, nil
	}
	return nil, mallee.ErrUnavailable.Errorf("node %s is not a member of the cluster; join first", node).BeforeRun()
}

const (
	// attemptTimeout bounds one attempt of a call to one process, so that a
	// process that has stopped does not use up the time for the others.
	attemptTimeout = 2 * time.Second
	// joinTimeout is longer: a node that joins after all without being told is
	// taken for a member until its lease ends.
	joinTimeout = 5 * time.Second
)

func (d *dialed) Join(ctx context.Context, who Member, c Control) (Lease, error) {
	d.joining.Lock()
	defer d.joining.Unlock()
	if err := d.vacate(who.Name); err != nil {
		return Lease{}, err
	}
	who.ID, who.Since = 0, time.Time{} // the placement driver gives them
	request := &pb.JoinRequest{Cluster: d.config.Cluster, Member: words.MemberMessage(&who), TtlMs: d.config.LeaseTTL.Milliseconds()}
	var joined *pb.JoinResponse
	var asked time.Duration
	err := d.processes.call(ctx, "join the cluster", joinTimeout, func(ctx context.Context, client pb.PlacementClient) (err error) {
		asked = d.now()
		joined, err = client.Join(ctx, request)
		return err
	})
	if err != nil {
		return Lease{}, err
	}
	ttl, err := leaseTime(joined.TtlMs)
	if err != nil || joined.Node == 0 || joined.Term > driver.MaxTerm {
		return Lease{}, mallee.ErrUnavailable.Errorf("join the cluster: the placement driver answers with nonsense: %v", joined)
	}
	m := d.begin(joined, asked, ttl, c)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.member, d.name = m, who.Name
	return Lease{ID: m.id, TTL: ttl}, nil
}

// vacate ends the membership of a node that joins anew.
func (d *dialed) vacate(name string) error {
	d.mu.Lock()
	m, was := d.member, d.name
	d.mu.Unlock()
	if m == nil {
		return nil
	}
	if m.alive() && name != was {
		return mallee.ErrInvalid.Errorf("placement.Dial is for one node, and node %s has joined; dial once for each node", was)
	}
	m.end(errLost) // the node may have fenced itself a moment before the membership noticed
	m.running.Wait()
	return nil
}

func (d *dialed) Renew(ctx context.Context, node NodeID, s Status) error {
	m := d.current(node)
	if m == nil {
		return mallee.ErrFenced.Errorf("node %s is not a member of the cluster; join anew", node)
	}
	return m.renew(ctx, s)
}

func (d *dialed) Leave(ctx context.Context, node NodeID) error {
	d.joining.Lock()
	defer d.joining.Unlock()
	m := d.current(node)
	if m == nil || !m.alive() {
		return nil
	}
	m.settle(ctx)
	m.end(errLeft)
	m.running.Wait()
	err := d.processes.call(ctx, "leave the cluster", attemptTimeout, func(ctx context.Context, client pb.PlacementClient) error {
		_, err := client.Leave(ctx, &pb.LeaveRequest{Node: uint64(m.id), Lease: m.lease})
		if status.Code(err) == codes.FailedPrecondition {
			return nil // the lease has ended already
		}
		return err
	})
	return err
}

func (d *dialed) Members(ctx context.Context) ([]Member, error) { return d.roster.members(ctx) }

// Resolve is the address of a member.
func (d *dialed) Resolve(ctx context.Context, node NodeID) (string, error) {
	return d.roster.resolve(ctx, node)
}

func (d *dialed) Locate(ctx context.Context, from NodeID, id mallee.ID) (Grant, error) {
	m, err := d.of(from)
	if err != nil {
		return Grant{}, err
	}
	return m.ask(ctx, subject{id, false})
}

func (d *dialed) Successor(ctx context.Context, owner NodeID, id mallee.ID) (NodeID, error) {
	m, err := d.of(owner)
	if err != nil {
		return 0, err
	}
	g, err := m.ask(ctx, subject{id, true})
	return g.Node, err
}

func (d *dialed) Release(_ context.Context, id mallee.ID, g Grant, to NodeID) error {
	if m := d.current(g.Node); m != nil {
		m.release(driver.Held{ID: id, Epoch: g.Epoch}, to)
	}
	return nil // whatever a membership had ended with it
}
