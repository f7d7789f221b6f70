package spec

import (
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/sidecar/internal/key"
)

func (l *loader) loadServices(entities []*cloudstatepb.Entity) {
	for _, e := range entities {
		l.loadService(e)
	}
}

func (l *loader) loadService(e *cloudstatepb.Entity) {
	d, err := l.model.Files.FindDescriptorByName(protoreflect.FullName(e.GetServiceName()))
	service, ok := d.(protoreflect.ServiceDescriptor)
	if err != nil || !ok {
		l.errorf("service %s is declared as an entity but is not in the descriptor set", e.GetServiceName())
		return
	}
	s := &Service{
		Name:          e.GetServiceName(),
		Kind:          Kind(e.GetEntityType()),
		PersistenceID: e.GetPersistenceId(),
		IdleTimeout:   idleTimeout(e),
		Descriptor:    service,
	}
	for i := range service.Methods().Len() {
		s.Methods = append(s.Methods, l.loadMethod(s, service.Methods().Get(i)))
	}
	l.model.Services = append(l.model.Services, s)
}

func (l *loader) loadMethod(s *Service, d protoreflect.MethodDescriptor) *Method {
	m := &Method{
		Service: s, Name: string(d.Name()), Input: d.Input(), Output: d.Output(),
		ClientStreams: d.IsStreamingClient(), ServerStreams: d.IsStreamingServer(),
	}
	if s.Kind.HasKey() {
		k, err := key.Of(m.Input)
		if err != nil {
			l.errorf("service %s, method %s: %w", s.Name, m.Name, err)
		}
		m.Key = k
	}
	return m
}

func (l *loader) serves(k Kind) bool {
	return len(l.options.Kinds) == 0 || slices.Contains(l.options.Kinds, k)
}
