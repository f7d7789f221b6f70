package chaos

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/mallee-io/mallee/internal/local"
)

// Kind is a kind of fault.
type Kind string

// Kinds of faults. What is killed or stopped comes back when the fault is over.
const (
	KillNode      Kind = "kill_node"      // kill -9
	PauseNode     Kind = "pause_node"     // SIGSTOP for longer than its lease
	CutLink       Kind = "cut_link"       // between two nodes
	CutOneWay     Kind = "cut_one_way"    // what a node sends to another one is lost
	CutStore      Kind = "cut_store"      // between a node and the store
	IsolateNode   Kind = "isolate_node"   // from all PDs for longer than its lease, but not from nodes
	SlowLink      Kind = "slow_link"      // of a node and a PD, or two nodes
	KillPD        Kind = "kill_pd"        // any one
	RestartLeader Kind = "restart_leader" // the PD that leads is killed
	PauseLeader   Kind = "pause_leader"   // until another one leads
	IsolateLeader Kind = "isolate_leader" // from the other PDs, but not from nodes
	PausePDs      Kind = "pause_all_pds"  // for less than a lease
	KillPDs       Kind = "kill_all_pds"   // for longer than a lease
	RollNode      Kind = "roll_node"      // SIGTERM, and a new process
	DrainNode     Kind = "drain_node"     // by the PDs; it stays and is opened again
)

// Kinds of faults of gateways and their clients.
const (
	KillGateway    Kind = "kill_gateway"
	PauseGateway   Kind = "pause_gateway"   // for longer than the lease of its node
	CutGateway     Kind = "cut_gateway"     // between a gateway and a node
	IsolateGateway Kind = "isolate_gateway" // from all PDs for longer than its lease, but not from nodes
	DropClients    Kind = "drop_clients"    // the connections of all clients of a gateway are reset
	RollGateway    Kind = "roll_gateway"    // SIGTERM, and a new process
)

// Fault is one thing that is done to the cluster and undone.
type Fault struct {
	Kind    Kind          `json:"kind"`
	Process string        `json:"process,omitempty"` // to which it is done, if to one that is known
	Links   []Link        `json:"links,omitempty"`
	After   time.Duration `json:"after_ns"` // the step before is undone
	For     time.Duration `json:"for_ns"`   // until it is undone
}

// Step is faults that go on at the same time.
type Step []Fault

// drains reports whether the fault must not fail any call, nor lose any message.
func (k Kind) drains() bool { return k == RollNode || k == DrainNode || k == RollGateway }

// cutsClients reports whether the fault may end connections of clients: a gateway
// that has lost its lease lets them go, too.
func (k Kind) cutsClients() bool { return k.target() == gateways || k == KillPDs }

// Size says what there is to break.
type Size struct {
	Nodes, PDs int
	Gateways   int           // none: there are no clients
	Lease      time.Duration // of nodes
	Pauses     bool          // processes can be stopped
	Links      bool          // links can be cut, those to the store only with Store
	Store      bool
	Only       []Kind // to be chosen from; none: all
}

// leaderLease is how long a leader leads that has gone silent.
const leaderLease = 3 * time.Second

// Plan is what to break in a time. Never more than one PD is gone, unless the
// fault says that all are; while something is wrong with PDs, something may be
// with nodes and their links. The same seed gives the same plan. All kinds come
// once before any comes again. Where none is possible the plan is empty.
func Plan(seed uint64, length time.Duration, size Size) []Step {
	p := planner{size: size, random: rand.New(rand.NewPCG(seed, 0))}
	var plan []Step
	for {
		deck := p.deck()
		if len(deck) == 0 {
			return plan
		}
		for len(deck) > 0 {
			step := Step{p.fault(deck[0])}
			if len(deck) > 1 && deck[0].goesWith(deck[1]) && p.random.IntN(2) == 0 {
				step = append(step, p.during(step[0], deck[1]))
			}
			deck = deck[len(step):]
			if length -= step.length(); length < 0 {
				return plan
			}
			plan = append(plan, step)
		}
	}
}

// length is how long the step takes if nothing is slow.
func (s Step) length() (d time.Duration) {
	for _, f := range s {
		d = max(d, f.After+f.For)
	}
	return d
}

type planner struct {
	size   Size
	random *rand.Rand
	rolled int // nodes that were drained, which happens to them in turn
	moved  int // gateways that were
}

// Kinds are all kinds of faults.
func Kinds() []Kind {
	return []Kind{
		KillNode, PauseNode, CutLink, CutOneWay, CutStore, IsolateNode, SlowLink,
		KillPD, RestartLeader, PauseLeader, IsolateLeader, PausePDs, KillPDs, RollNode, DrainNode,
		KillGateway, PauseGateway, CutGateway, IsolateGateway, DropClients, RollGateway,
	}
}

// target is what a fault is done to. Two faults of one target may be in each
// other's way.
type target int

const (
	nodes target = iota // and their links
	pds
	gateways
)

func (k Kind) target() target {
	switch k {
	case KillPD, RestartLeader, PauseLeader, IsolateLeader, PausePDs, KillPDs:
		return pds
	case KillGateway, PauseGateway, CutGateway, IsolateGateway, DropClients, RollGateway:
		return gateways
	}
	return nodes
}

// goesWith reports whether the two may go on at the same time.
func (k Kind) goesWith(other Kind) bool {
	return k.target() != other.target() && !k.drains() && !other.drains()
}

// deck has each kind that the cluster can suffer, in a random order.
func (p *planner) deck() []Kind {
	kinds := slices.DeleteFunc(Kinds(), func(k Kind) bool { return !p.possible(k) })
	p.random.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
	return kinds
}

func (p *planner) possible(k Kind) bool {
	if len(p.size.Only) > 0 && !slices.Contains(p.size.Only, k) {
		return false
	}
	if k.target() == gateways && p.size.Gateways == 0 {
		return false
	}
	switch k {
	case PauseNode, PauseLeader, PausePDs, PauseGateway:
		return p.size.Pauses
	case IsolateNode, SlowLink, CutGateway, IsolateGateway:
		return p.size.Links
	case CutLink, CutOneWay:
		return p.size.Links && p.size.Nodes > 1
	case CutStore:
		return p.size.Links && p.size.Store
	case IsolateLeader:
		return p.size.Links && p.size.PDs > 1
	}
	return true
}

func (p *planner) fault(kind Kind) Fault {
	lease := p.size.Lease
	f := Fault{Kind: kind, After: p.between(lease/4, lease/2), For: p.between(lease/4, 2*lease)}
	a, b := p.twoNodes()
	switch kind {
	case KillNode:
		f.Process = a
		if p.only(KillNode) { // each is to be measured by itself: nothing may be placed on the one before
			f.After, f.For = p.between(lease, lease+lease/2), p.between(lease/4, lease)
		}
	case PauseNode:
		f.Process, f.For = a, p.between(lease+lease/4, 2*lease)
	case CutLink:
		f.Links = both(a, b)
	case CutOneWay:
		f.Links = []Link{{a, b}}
	case CutStore:
		f.Links = both(a, local.StoreName)
	case SlowLink:
		if p.random.IntN(2) == 0 || a == b {
			b = p.pd()
		}
		f.Links = both(a, b)
	case IsolateNode:
		f.For, f.Links = p.between(lease+lease/4, 2*lease), p.fromPDs(a)
	case KillPD:
		f.Process = p.pd()
	case PauseLeader:
		f.For = p.between(leaderLease+leaderLease/4, 2*leaderLease)
	case PausePDs:
		f.For = p.between(lease/4, lease/2)
	case KillPDs:
		f.For = p.between(lease+lease/4, 2*lease)
	case RollNode, DrainNode:
		f.Process, f.For = local.NodeName(1+p.rolled%p.size.Nodes), lease/4
		p.rolled++
		if !p.only(RollNode, DrainNode) { // what the step before has left behind must not be laid to the drain
			f.After = 2 * lease
		}
	case KillGateway, DropClients:
		f.Process = p.gateway()
	case PauseGateway:
		f.Process, f.For = p.gateway(), p.between(lease+lease/4, 2*lease)
	case CutGateway:
		f.Links = both(a, p.gateway())
	case IsolateGateway:
		f.For, f.Links = p.between(lease+lease/4, 2*lease), p.fromPDs(p.gateway())
	case RollGateway:
		f.Process, f.After, f.For = local.GatewayName(1+p.moved%p.size.Gateways), 2*lease, lease/4
		p.moved++
	}
	return f
}

// fromPDs are the links that isolate a process.
func (p *planner) fromPDs(process string) (links []Link) {
	for n := range p.size.PDs {
		links = append(links, both(process, local.PDName(n+1))...)
	}
	return links
}

func (p *planner) gateway() string { return local.GatewayName(1 + p.random.IntN(p.size.Gateways)) }

// during is a fault that begins while another goes on.
func (p *planner) during(other Fault, kind Kind) Fault {
	f := p.fault(kind)
	f.After = p.between(other.After, other.After+other.For)
	return f
}

// only reports whether nothing but some of these kinds is to be done.
func (p *planner) only(kinds ...Kind) bool {
	return len(p.size.Only) > 0 && !slices.ContainsFunc(p.size.Only, func(k Kind) bool { return !slices.Contains(kinds, k) })
}

func both(a, b string) []Link { return []Link{{a, b}, {b, a}} }

func (p *planner) between(least, most time.Duration) time.Duration {
	return least + time.Duration(p.random.Int64N(int64(most-least)+1))
}

func (p *planner) pd() string { return local.PDName(1 + p.random.IntN(p.size.PDs)) }

// twoNodes are different ones if there are two.
func (p *planner) twoNodes() (a, b string) {
	n := p.random.Perm(p.size.Nodes)
	return local.NodeName(n[0] + 1), local.NodeName(n[len(n)-1] + 1)
}
