package driver

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mallee-io/mallee"
)

// foreignSettle is for how long Koala's hosts get no actors at all: until then
// their peers may not know them.
const foreignSettle = 5 * time.Second

// able lists the members that may get an actor of a type, which may have no
// hosts, in the order of their IDs. The list is the caller's.
func (d *Directory) able(k *kind, actorType string) ([]*host, error) {
	if k == nil || len(k.hosts) == 0 {
		return nil, mallee.ErrNotFound.Errorf("no node hosts actor type %s; give it to node.Config.Types", actorType).BeforeRun()
	}
	able := make([]*host, 0, len(k.hosts))
	for _, h := range k.hosts {
		if d.refusal(h) == "" {
			able = append(able, h)
		}
	}
	if len(able) == 0 {
		return nil, mallee.ErrUnavailable.Errorf("no node takes actors of type %s now: %s", actorType, d.refusals(k)).BeforeRun()
	}
	return able, nil
}

// refusal says why a host gets no actors of its type; nothing when it does.
func (d *Directory) refusal(h *host) string {
	switch {
	case h.status.Cordoned:
		return "cordoned"
	case h.missing != "":
		return "lacks the label " + h.missing
	case h.Foreign && h.status.Load < 0:
		return "refuses new actors by its negative load"
	case h.Foreign && d.age(h.member) < foreignSettle:
		return "joined less than 5s ago"
	}
	return ""
}

// refusals is for people: at most three hosts are named.
func (d *Directory) refusals(k *kind) string {
	var all []string
	for _, h := range k.hosts[:min(len(k.hosts), 3)] {
		all = append(all, fmt.Sprintf("node %s %s: %s", h.ID, h.Name, d.refusal(h)))
	}
	if more := len(k.hosts) - len(all); more > 0 {
		all = append(all, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(all, "; ")
}

func (d *Directory) age(m *member) time.Duration { return d.now.Sub(m.since) }

// young reports whether a member has yet to settle.
func (d *Directory) young(m *member) bool { return d.age(m) < d.settings.Settle }

// settled leaves out the young where there are others.
func (d *Directory) settled(able []*host) []*host {
	young := func(h *host) bool { return d.young(h.member) }
	if !slices.ContainsFunc(able, func(h *host) bool { return !young(h) }) {
		return able
	}
	return slices.DeleteFunc(able, young)
}
