package httpapi

import (
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mallee-io/mallee"
)

// services know the methods of actor types by the names in a path.
type services struct {
	registry huma.Registry // of the schemas of arguments
	types    map[string]*service
	serving  map[string][]string // interface → actor types
}

type service struct {
	name    string
	methods []*method // in the order of the type's interfaces
}

// method is one that can be called.
type method struct {
	mallee.Method
	iface      mallee.Interface
	args       *huma.Schema
	results    *huma.Schema
	hasResults bool
	oneway     bool
}

func newServices(types []mallee.Type, s *schemas) (services, error) {
	all := services{registry: s.registry, types: make(map[string]*service), serving: make(map[string][]string)}
	for i := range types {
		t := &types[i]
		if err := t.Validate(); err != nil {
			return all, err
		}
		found := &service{name: t.Name}
		for _, iface := range t.Interfaces {
			all.serving[iface.Name] = append(all.serving[iface.Name], t.Name)
			for _, m := range iface.Methods {
				made, err := newMethod(iface, m, s)
				if err != nil {
					return all, err
				}
				found.methods = append(found.methods, made)
			}
		}
		all.types[t.Name] = found
	}
	return all, nil
}

func newMethod(iface mallee.Interface, m mallee.Method, s *schemas) (*method, error) {
	call := m.New()
	args, err := s.of(call.Args(), iface.Name+m.Name+"Args")
	if err != nil {
		return nil, mallee.ErrInvalid.Errorf("the arguments of %s.%s cannot be JSON: %v", iface.Name, m.Name, err)
	}
	results, err := s.of(call.Results(), iface.Name+m.Name+"Results")
	if err != nil {
		return nil, mallee.ErrInvalid.Errorf("the results of %s.%s cannot be JSON: %v", iface.Name, m.Name, err)
	}
	return &method{
		Method: m, iface: iface, args: args, results: results,
		hasResults: reflect.TypeOf(call.Results()).Elem().NumField() > 0,
		oneway:     call.Flags()&mallee.OneWay != 0,
	}, nil
}

// find looks up a method, and gives the id its actor type where the path names
// an interface that one type serves. A method whose name two interfaces of a
// type have is that of the first one; Interface.Method names either.
func (s *services) find(id *mallee.ID, name string) (*method, error) {
	t := s.types[id.Type]
	if t == nil {
		serving := s.serving[id.Type]
		switch len(serving) {
		case 0:
			return nil, mallee.ErrNotFound.Errorf("there is no actor type %q; see /docs/", id.Type)
		case 1:
			t = s.types[serving[0]]
			name, id.Type = qualified(id.Type, name), t.name
		default:
			return nil, mallee.ErrInvalid.Errorf("interface %s is served by the actor types %s: name one of them instead", id.Type, strings.Join(serving, ", "))
		}
	}
	return s.method(t, name)
}

func (s *services) method(t *service, name string) (*method, error) {
	i := slices.IndexFunc(t.methods, func(m *method) bool { return m.Name == name || m.iface.Name+"."+m.Name == name })
	if i < 0 {
		return nil, mallee.ErrNotFound.Errorf("actor type %s has no method %q; see /docs/", t.name, name)
	}
	return t.methods[i], nil
}

func qualified(iface, name string) string {
	if strings.HasPrefix(name, iface+".") {
		return name
	}
	return iface + "." + name
}
