package spec

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/sidecar/internal/key"
)

// MaxPersistenceID bounds a persistence id, in bytes: it is part of the name of a
// table.
const MaxPersistenceID = 120

func (l *loader) loadServices(entities []*cloudstatepb.Entity) {
	if len(entities) == 0 {
		l.errorf("the user function declares no services: register at least one entity or action")
	}
	stored := map[string]string{} // persistence ids and whose they are
	for _, e := range entities {
		s := l.loadService(e)
		if s == nil {
			continue
		}
		if other, ok := stored[s.PersistenceID]; ok && s.stored() {
			l.errorf("services %s and %s have both the persistence id %q, and would overwrite each other's entities: "+
				"give each an id of its own", other, s.Name, s.PersistenceID)
		}
		if s.stored() {
			stored[s.PersistenceID] = s.Name
		}
		l.model.Services = append(l.model.Services, s)
	}
	l.checkLogs()
}

func (s *Service) stored() bool { return s.Kind == EventSourced || s.Kind == Value }

// loadService is nil when the service is not there at all.
func (l *loader) loadService(e *cloudstatepb.Entity) *Service {
	name := e.GetServiceName()
	d, _ := l.model.Files.FindDescriptorByName(protoreflect.FullName(name))
	descriptor, ok := d.(protoreflect.ServiceDescriptor)
	switch {
	case !ok:
		l.errorf("service %q is declared but no file of the descriptor set has it: "+
			"use its full name, with the package, and include its proto file", name)
		return nil
	case l.model.Service(name) != nil:
		l.errorf("service %s is declared twice: register it once", name)
		return nil
	}
	s := &Service{
		Name:          name,
		Kind:          Kind(e.GetEntityType()),
		PersistenceID: e.GetPersistenceId(),
		IdleTimeout:   idleTimeout(e),
		Descriptor:    descriptor,
	}
	if s.Kind.HasKey() {
		s.PersistenceID = cmp.Or(s.PersistenceID, s.Name)
		if len(s.PersistenceID) > MaxPersistenceID {
			l.errorf("service %s has a persistence id of %d bytes: give it one of at most %d", name, len(s.PersistenceID), MaxPersistenceID)
		}
	}
	for i := range descriptor.Methods().Len() {
		s.Methods = append(s.Methods, l.loadMethod(s, descriptor.Methods().Get(i)))
	}
	l.checkKind(s)
	l.checkConsumers(s)
	return s
}

func (l *loader) loadMethod(s *Service, d protoreflect.MethodDescriptor) *Method {
	m := &Method{
		Service:       s,
		Name:          string(d.Name()),
		Input:         d.Input(),
		Output:        d.Output(),
		ClientStreams: d.IsStreamingClient(),
		ServerStreams: d.IsStreamingServer(),
	}
	if s.Kind.HasKey() {
		k, err := key.Of(m.Input)
		if err != nil {
			l.methodErrorf(m, "%v", err)
		} else if k == nil {
			l.methodErrorf(m, "entities are found by the key in a command, and message %s has none: "+
				"mark a field of it with [(cloudstate.entity_key) = true]", m.Input.FullName())
		}
		m.Key = k
	}
	l.loadRules(m, d)
	l.loadEventing(m, d)
	return m
}

func (l *loader) methodErrorf(m *Method, format string, args ...any) {
	l.errorf("service %s, method %s: "+format, append([]any{m.Service.Name, m.Name}, args...)...)
}

// kinds are all of them, in the order of error texts.
func kinds() []Kind { return []Kind{EventSourced, Value, Action, Replicated, Stateless} }

// checkKind checks that the service is served, and its methods can be.
func (l *loader) checkKind(s *Service) {
	served := slices.DeleteFunc(kinds(), func(k Kind) bool {
		return len(l.options.Kinds) > 0 && !slices.Contains(l.options.Kinds, k)
	})
	if !slices.Contains(served, s.Kind) {
		l.errorf("service %s is of type %q, which the sidecar does not serve: it serves %s", s.Name, s.Kind, join(served))
		return
	}
	var in, out []string
	for _, m := range s.Methods {
		if m.ClientStreams {
			in = append(in, m.Name)
		}
		if m.ServerStreams {
			out = append(out, m.Name)
		}
	}
	if s.Kind.HasKey() && len(in) > 0 {
		l.errorf("service %s is an entity, and entities take one message for each command, not streams: "+
			"take the word stream out of what these methods take, or move them to an action: %s", s.Name, strings.Join(in, ", "))
	}
	if s.stored() && len(out) > 0 {
		l.errorf("service %s is an entity, and its kind answers a command with one message, not with a stream: "+
			"take the word stream out of what these methods return, or move them to an action: %s", s.Name, strings.Join(out, ", "))
	}
}

func join(all []Kind) string {
	texts := make([]string, len(all))
	for i, k := range all {
		texts[i] = string(k)
	}
	return strings.Join(texts, ", ")
}

// idleTimeout is 0 for the sidecar's default, as it is for nonsense.
func idleTimeout(e *cloudstatepb.Entity) time.Duration {
	ms := e.GetPassivationStrategy().GetTimeout().GetTimeout()
	return time.Duration(max(0, min(ms, maxIdle.Milliseconds()))) * time.Millisecond
}

// maxIdle keeps what user functions ask for within a time.Duration.
const maxIdle = 100 * 365 * 24 * time.Hour
