package eventing

import (
	"github.com/mallee-io/mallee/sidecar/internal/entity/rows"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
)

// log is the event log of a service's entities, and who consumes it.
type log struct {
	service   *spec.Service
	table     string
	consumers []*consumer
}

// logs finds the event logs that are consumed.
func logs(m *spec.Model, all []*consumer) map[*spec.Service]*log {
	found := make(map[*spec.Service]*log)
	for _, s := range m.Services {
		if s.Kind != spec.EventSourced {
			continue
		}
		l := &log{service: s, table: rows.Table(s.PersistenceID)}
		for _, c := range all {
			if c.source.Topic == "" && c.source.EventLog == s.PersistenceID {
				l.consumers = append(l.consumers, c)
			}
		}
		if l.consumers != nil {
			found[s] = l
		}
	}
	return found
}

// groups are the names of the consumer groups, in their order.
func (l *log) groups() []string {
	groups := make([]string, len(l.consumers))
	for i, c := range l.consumers {
		groups[i] = c.source.Group
	}
	return groups
}
