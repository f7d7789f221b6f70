package mallee

import (
	"context"
	"runtime"
	"strings"
	"time"
)

// Defaults of actor types.
const (
	DefaultIdleTimeout = 30 * time.Minute
	DefaultMailboxSize = 1024
)

// Type is an actor type: how to make its actors and how they live. Generated
// code makes it (PlayerType in the package of Player) and node.Config takes it.
// Change nothing in it once a node has started with it.
type Type struct {
	Name       string          // name of the actor type, part of every ID
	New        func(*Self) any // makes the actor of an activation; called once per activation
	Interfaces []Interface     // what its references can call; the first one gave the type its name

	IdleTimeout  time.Duration // an activation without calls for this long ends
	MailboxSize  int           // calls that may wait at one activation; more are refused with ErrOverloaded
	Workers      int           // > 0: a stateless worker with up to so many activations per node and key
	NonReentrant bool          // a call chain that comes back fails with ErrCycle

	Strategy Strategy          // how the cluster chooses a node for an actor
	Weight   int               // of one activation in its node's load; 0 means 1
	Labels   map[string]string // only nodes that have all of them host the type

	// For runtimes whose actors are no Go objects with a method for each call.
	Answer     func(ctx context.Context, actor any, call Call) error // runs a call, in the place of Call.Run
	Interleave bool                                                  // any turn may begin while the others wait in calls of their own
	Last       bool                                                  // when a node stops, its actors of other types end first
	Release    func(actor any)                                       // frees what an activation has held, however it ended; must not block
}

// Strategy is how the cluster chooses a node for an actor that lives nowhere.
type Strategy uint8

const (
	// Balanced takes the less loaded of two random nodes.
	Balanced Strategy = iota
	// PreferLocal takes the node that asks, where it hosts the type.
	PreferLocal
	// Hashed gives a key always to the same of the same nodes.
	Hashed
)

// Interface describes an actor interface to the runtime and its edges.
type Interface struct {
	Name    string
	Doc     string // the doc comment of the interface
	Methods []Method
}

// Method describes a method of an actor interface.
type Method struct {
	Name string
	Doc  string      // the doc comment of the method
	New  func() Call // makes an empty call, to decode arguments into
}

// TypeOption changes how the actors of a type live.
type TypeOption func(*Type)

// NewType makes an actor type that is named after its first interface.
// Generated code calls it.
func NewType(main Interface, create func(*Self) any, options ...TypeOption) Type {
	t := Type{
		Name:        main.Name,
		New:         create,
		Interfaces:  []Interface{main},
		IdleTimeout: DefaultIdleTimeout,
		MailboxSize: DefaultMailboxSize,
	}
	for _, option := range options {
		option(&t)
	}
	return t
}

// Serves lets the actors of the type be called through one more interface,
// which they must implement: a reference of either reaches the same activation.
func Serves(also Interface) TypeOption {
	return func(t *Type) { t.Interfaces = append(t.Interfaces, also) }
}

// IdleTimeout ends activations that had no call for d. Defaults to
// DefaultIdleTimeout.
func IdleTimeout(d time.Duration) TypeOption {
	return func(t *Type) { t.IdleTimeout = d }
}

// MailboxSize bounds the calls that wait at one activation. Defaults to
// DefaultMailboxSize.
func MailboxSize(n int) TypeOption {
	return func(t *Type) { t.MailboxSize = n }
}

// NonReentrant refuses call chains that come back to an actor that waits in
// its own call; by default they run as nested turns.
func NonReentrant() TypeOption {
	return func(t *Type) { t.NonReentrant = true }
}

// StatelessWorker lets a key have up to n activations on every node, so that
// its calls run in parallel and never leave the caller's node. 0 means as many
// as the node has processors.
func StatelessWorker(n int) TypeOption {
	return func(t *Type) {
		if n == 0 {
			n = runtime.GOMAXPROCS(0)
		}
		t.Workers = n
	}
}

// Placed chooses the strategy by which the cluster places the type's actors.
// Defaults to Balanced.
func Placed(s Strategy) TypeOption {
	return func(t *Type) { t.Strategy = s }
}

// Weight says how much one activation counts in the load of its node, where
// others count 1.
func Weight(n int) TypeOption {
	return func(t *Type) { t.Weight = n }
}

// Labeled places the type's actors only on nodes that have the label.
func Labeled(name, value string) TypeOption {
	return func(t *Type) {
		if t.Labels == nil {
			t.Labels = make(map[string]string)
		}
		t.Labels[name] = value
	}
}

// Validate reports, as an ErrInvalid, what no node can start with.
func (t *Type) Validate() error {
	switch {
	case t.Name == "":
		return ErrInvalid.Errorf("actor type has no name")
	case t.New == nil:
		return ErrInvalid.Errorf("actor type %s has no constructor", t.Name)
	case t.IdleTimeout <= 0:
		return ErrInvalid.Errorf("actor type %s: idle timeout %v is not positive", t.Name, t.IdleTimeout)
	case t.MailboxSize <= 0:
		return ErrInvalid.Errorf("actor type %s: mailbox size %d is not positive", t.Name, t.MailboxSize)
	case t.Workers < 0:
		return ErrInvalid.Errorf("actor type %s: %d stateless workers", t.Name, t.Workers)
	case t.Weight < 0:
		return ErrInvalid.Errorf("actor type %s: weight %d is negative", t.Name, t.Weight)
	case t.Strategy > Hashed:
		return ErrInvalid.Errorf("actor type %s: there is no strategy %d", t.Name, t.Strategy)
	}
	seen := make(map[string]bool, len(t.Interfaces))
	for _, i := range t.Interfaces {
		if seen[i.Name] {
			return ErrInvalid.Errorf("actor type %s serves interface %s twice", t.Name, i.Name)
		}
		seen[i.Name] = true
	}
	return nil
}

// Method finds a method by the name of its interface and its own. Without the
// name of an interface all of the type are searched, in their order, but for
// those of the runtime (Mallee…).
func (t *Type) Method(iface, method string) (Method, error) {
	served := false
	var names []string
	for _, i := range t.Interfaces {
		if iface != "" && i.Name != iface || iface == "" && strings.HasPrefix(i.Name, "Mallee") {
			continue
		}
		served = true
		for _, m := range i.Methods {
			if m.Name == method {
				return m, nil
			}
			names = append(names, m.Name)
		}
	}
	if !served && iface != "" {
		return Method{}, ErrNotFound.Errorf("actor type %s does not serve interface %s", t.Name, iface).BeforeRun()
	}
	if iface != "" {
		iface = "interface " + iface + " of "
	}
	return Method{}, ErrNotFound.Errorf("%sactor type %s has no method %s; there are %s", iface, t.Name, method, strings.Join(names, ", ")).BeforeRun()
}
