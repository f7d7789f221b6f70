package eventing

import (
	"strings"
	"sync/atomic"

	"github.com/mallee-io/mallee/sidecar/internal/spec"
)

// consumer is what consumes a source in the name of one group: methods of which
// each takes one type of events.
type consumer struct {
	source  spec.Source
	methods []*spec.Method
	counts  struct{ handled, refused, retried, aside atomic.Int64 }
}

// consumers gathers the methods of a model by what they consume, in the order
// of their declaration. Services that name the same group share it: an event is
// delivered once, to whichever of them takes it.
func consumers(m *spec.Model) (all []*consumer) {
	by := make(map[spec.Source]*consumer)
	for _, s := range m.Services {
		for _, method := range s.Methods {
			if method.Source == nil {
				continue
			}
			c := by[*method.Source]
			if c == nil {
				c = &consumer{source: *method.Source}
				by[c.source] = c
				all = append(all, c)
			}
			c.methods = append(c.methods, method)
		}
	}
	return all
}

// Prefixes of the type URLs of what is no protobuf message of the user's.
const (
	primitivePrefix = "p.cloudstate.io/"
	jsonPrefix      = "json.cloudstate.io/"
	anyName         = "google.protobuf.Any"
)

// method is the one that takes events of a type; nil: there is none.
func (c *consumer) method(typeURL string) *spec.Method {
	if !strings.HasPrefix(typeURL, primitivePrefix) && !strings.HasPrefix(typeURL, jsonPrefix) {
		_, name, _ := strings.Cut(typeURL, "/")
		if m := c.takes(name); m != nil {
			return m
		}
	}
	return c.takes(anyName)
}

func (c *consumer) takes(name string) *spec.Method {
	for _, m := range c.methods {
		if string(m.Input.FullName()) == name {
			return m
		}
	}
	return nil
}

// String names the consumer in logs and figures.
func (c *consumer) String() string { return c.from() + " for " + c.source.Group }

func (c *consumer) from() string {
	if c.source.Topic != "" {
		return "topic " + c.source.Topic
	}
	return "event log " + c.source.EventLog
}
