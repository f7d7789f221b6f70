package chaos

import (
	"math/rand/v2"
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
	IsolateNode   Kind = "isolate_node"   // from all PDs for longer than its lease, but not from nodes
	SlowLink      Kind = "slow_link"      // of a node and a PD, or two nodes
	KillPD        Kind = "kill_pd"        // any one
	RestartLeader Kind = "restart_leader" // the PD that leads is killed
	PausePDs      Kind = "pause_all_pds"  // for less than a lease
	KillPDs       Kind = "kill_all_pds"   // for longer than a lease
	RollNode      Kind = "roll_node"      // SIGTERM, and a new process
	DrainNode     Kind = "drain_node"     // by the PDs; it stays and is opened again
)

// Fault is one thing that is done to the cluster and undone.
type Fault struct {
	Kind    Kind          `json:"kind"`
	Process string        `json:"process,omitempty"` // to which it is done, if to one that is known
	Links   []Link        `json:"links,omitempty"`
	After   time.Duration `json:"after_ns"` // the fault before is undone
	For     time.Duration `json:"for_ns"`   // until it is undone
}

// drains reports whether the fault must not fail any call.
func (k Kind) drains() bool { return k == RollNode || k == DrainNode }

// Size says what there is to break.
type Size struct {
	Nodes, PDs int
	Lease      time.Duration // of nodes
	Pauses     bool          // processes can be stopped
	Links      bool          // links can be cut
}

// Plan is what to break in a time, one fault after the other: never more than
// one PD is gone, unless the fault says that all are. The same seed gives the
// same plan. All kinds come once before any comes again.
func Plan(seed uint64, length time.Duration, size Size) []Fault {
	p := planner{size, rand.New(rand.NewPCG(seed, 0))}
	var plan []Fault
	for {
		for _, kind := range p.deck() {
			f := p.fault(kind)
			if length -= f.After + f.For; length < 0 {
				return plan
			}
			plan = append(plan, f)
		}
	}
}

type planner struct {
	size   Size
	random *rand.Rand
}

// deck has each kind that the cluster can suffer, in a random order.
func (p *planner) deck() []Kind {
	kinds := []Kind{KillNode, KillPD, RestartLeader, KillPDs, RollNode, DrainNode}
	if p.size.Links {
		kinds = append(kinds, IsolateNode, SlowLink)
	}
	if p.size.Links && p.size.Nodes > 1 {
		kinds = append(kinds, CutLink, CutOneWay)
	}
	if p.size.Pauses {
		kinds = append(kinds, PauseNode, PausePDs)
	}
	p.random.Shuffle(len(kinds), func(i, j int) { kinds[i], kinds[j] = kinds[j], kinds[i] })
	return kinds
}

func (p *planner) fault(kind Kind) Fault {
	lease := p.size.Lease
	f := Fault{Kind: kind, After: p.between(lease/4, lease/2), For: p.between(lease/4, 2*lease)}
	a, b := p.twoNodes()
	switch kind {
	case KillNode:
		f.Process = a
	case PauseNode:
		f.Process, f.For = a, p.between(lease+lease/4, 2*lease)
	case CutLink:
		f.Links = []Link{{a, b}, {b, a}}
	case CutOneWay:
		f.Links = []Link{{a, b}}
	case SlowLink:
		if p.random.IntN(2) == 0 || a == b {
			b = p.pd()
		}
		f.Links = []Link{{a, b}, {b, a}}
	case IsolateNode:
		f.For = p.between(lease+lease/4, 2*lease)
		for n := range p.size.PDs {
			f.Links = append(f.Links, Link{a, local.PDName(n + 1)}, Link{local.PDName(n + 1), a})
		}
	case KillPD:
		f.Process = p.pd()
	case PausePDs:
		f.For = p.between(lease/4, lease/2)
	case KillPDs:
		f.For = p.between(lease+lease/4, 2*lease)
	case RollNode, DrainNode:
		// What the fault before has left behind must not be laid to the drain.
		f.Process, f.After, f.For = a, 2*lease, lease/4
	}
	return f
}

func (p *planner) between(least, most time.Duration) time.Duration {
	return least + time.Duration(p.random.Int64N(int64(most-least)+1))
}

func (p *planner) pd() string { return local.PDName(1 + p.random.IntN(p.size.PDs)) }

// twoNodes are different ones if there are two.
func (p *planner) twoNodes() (a, b string) {
	n := p.random.Perm(p.size.Nodes)
	return local.NodeName(n[0] + 1), local.NodeName(n[len(n)-1] + 1)
}
