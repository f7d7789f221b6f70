package node

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/activation"
)

// aliases know which actor type serves an interface, so that a reference of
// any interface of an actor reaches the same activation.
type aliases struct {
	mu     sync.RWMutex
	byName map[string][]string // interface → actor types that serve it
}

func (a *aliases) init(types []mallee.Type) {
	a.byName = make(map[string][]string)
	for _, t := range types {
		for _, i := range t.Interfaces {
			a.add(i.Name, t.Name)
		}
	}
}

func (a *aliases) add(iface, actorType string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !slices.Contains(a.byName[iface], actorType) {
		a.byName[iface] = append(a.byName[iface], actorType)
	}
}

func (a *aliases) get(iface string) []string {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.byName[iface]
}

// resolve is the ID of a call; one whose type is the name of an interface
// becomes the ID of the actor that serves it.
func (a *aliases) resolve(ctx context.Context, n *Node, q *activation.Request) (mallee.ID, error) {
	id := q.ID
	if n.runtime.Table(id.Type) != nil {
		return id, nil
	}
	types := a.get(id.Type)
	if len(types) == 0 {
		ctx, cancel := context.WithDeadline(ctx, q.End)
		defer cancel()
		members, err := n.config.Placement.Members(ctx)
		if err != nil {
			return id, err
		}
		for _, m := range members {
			for _, t := range m.Types {
				for _, i := range t.Interfaces {
					a.add(i, t.Name)
				}
			}
		}
		types = a.get(id.Type)
	}
	switch {
	case len(types) == 0 || slices.Contains(types, id.Type):
		return id, nil // Locate says what is wrong with it
	case len(types) > 1:
		return id, mallee.ErrInvalid.Errorf("interface %s is served by the actor types %s: name one of them in a mallee.ID and use %sAt",
			id.Type, strings.Join(types, ", "), id.Type).BeforeRun()
	}
	return mallee.ID{Type: types[0], Key: id.Key}, nil
}
