package httpapi

import (
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/mallee-io/mallee"
)

// routes know the methods of actor types by the names in a path. They do not
// change once they are made.
type routes struct {
	schemas *schemas
	types   []*target
	names   map[string]*target  // by actor type, and by interface where one type serves it
	served  map[string][]string // interface → actor types that serve it
}

// target is what the first segment of a path names.
type target struct {
	actorType string
	methods   []*method          // in the order of the type's interfaces
	names     map[string]*method // by Method and by Interface.Method
}

// method is one that can be called.
type method struct {
	mallee.Method
	iface      mallee.Interface
	args       *huma.Schema
	results    *huma.Schema
	hasResults bool
	oneway     bool
	get        bool // GET may call it: it changes nothing and takes nothing
}

func newRoutes(types []mallee.Type, expose func(iface, method string) bool) (*routes, error) {
	// The first pass finds out which types there are: only then is it known
	// which of them need more than their own name.
	survey := newSchemas(nil)
	if _, err := buildRoutes(types, expose, survey); err != nil {
		return nil, err
	}
	return buildRoutes(types, expose, newSchemas(componentNames(survey.order)))
}

func buildRoutes(types []mallee.Type, expose func(iface, method string) bool, s *schemas) (*routes, error) {
	all := &routes{schemas: s, names: make(map[string]*target), served: make(map[string][]string)}
	s.component(reflect.TypeFor[problem]())
	for _, t := range types {
		switch {
		case t.Name == "" || strings.Contains(t.Name, "/"):
			return nil, mallee.ErrInvalid.Errorf("httpapi: %q cannot be the name of an actor type", t.Name)
		case all.names[t.Name] != nil:
			return nil, mallee.ErrInvalid.Errorf("httpapi: two actor types are named %s", t.Name)
		}
		made, err := newTarget(t, expose, s)
		if err != nil {
			return nil, err
		}
		all.types = append(all.types, made)
		all.names[t.Name] = made
		for _, i := range t.Interfaces {
			all.served[i.Name] = append(all.served[i.Name], t.Name)
		}
	}
	for iface, by := range all.served {
		if len(by) == 1 && all.names[iface] == nil {
			all.names[iface] = all.names[by[0]].first(iface)
		}
	}
	return all, nil
}

func newTarget(t mallee.Type, expose func(iface, method string) bool, s *schemas) (*target, error) {
	made := &target{actorType: t.Name, names: make(map[string]*method)}
	for _, iface := range t.Interfaces {
		for _, m := range iface.Methods {
			if !expose(iface.Name, m.Name) {
				continue
			}
			known, err := newMethod(iface, m, s)
			if err != nil {
				return nil, err
			}
			made.methods = append(made.methods, known)
		}
	}
	made.index()
	return made, nil
}

func newMethod(iface mallee.Interface, m mallee.Method, s *schemas) (*method, error) {
	call := m.New()
	made := &method{Method: m, iface: iface, oneway: call.Flags()&mallee.OneWay != 0}
	var err error
	if made.args, err = s.of(reflect.TypeOf(call.Args()).Elem()); err != nil {
		return nil, mallee.ErrInvalid.Errorf("httpapi: arguments of %s.%s: %v", iface.Name, m.Name, err)
	}
	if made.results, err = s.of(reflect.TypeOf(call.Results()).Elem()); err != nil {
		return nil, mallee.ErrInvalid.Errorf("httpapi: results of %s.%s: %v", iface.Name, m.Name, err)
	}
	made.hasResults = len(made.results.Properties) > 0
	made.get = len(made.args.Properties) == 0 && call.Flags()&mallee.ReadOnly != 0
	return made, nil
}

// index gives each method its names; the plain one goes to the first of two.
func (t *target) index() {
	for _, m := range t.methods {
		if t.names[m.Name] == nil {
			t.names[m.Name] = m
		}
		t.names[m.iface.Name+"."+m.Name] = m
	}
}

// first is the same target for paths that name one of its interfaces, whose
// methods come first then.
func (t *target) first(iface string) *target {
	other := &target{actorType: t.actorType, methods: slices.Clone(t.methods), names: make(map[string]*method)}
	slices.SortStableFunc(other.methods, func(a, b *method) int {
		switch {
		case a.iface.Name == b.iface.Name:
			return 0
		case a.iface.Name == iface:
			return -1
		case b.iface.Name == iface:
			return 1
		}
		return 0
	})
	other.index()
	return other
}

// pathName is the shortest name of the method in a path.
func (t *target) pathName(m *method) string {
	if t.names[m.Name] == m {
		return m.Name
	}
	return m.iface.Name + "." + m.Name
}

// find reads the escaped path of a call. The id is as far as it is known, also
// after an error.
func (rs *routes) find(path string) (mallee.ID, *method, error) {
	typ, key, name, err := splitPath(path)
	if err != nil {
		return mallee.ID{}, nil, err
	}
	t := rs.names[typ]
	if t == nil {
		if by := rs.served[typ]; len(by) > 1 {
			return mallee.ID{}, nil, mallee.ErrNotFound.Errorf("interface %s is served by the actor types %s: name one of them", typ, strings.Join(by, ", ")).BeforeRun()
		}
		return mallee.ID{}, nil, mallee.ErrNotFound.Errorf("there is no actor type %q; see /docs/", typ).BeforeRun()
	}
	id := mallee.ID{Type: t.actorType, Key: key}
	if err := id.Validate(); err != nil {
		return mallee.ID{}, nil, mallee.AsError(err).BeforeRun()
	}
	m := t.names[name]
	if m == nil {
		return id, nil, mallee.ErrNotFound.Errorf("actor type %s has no method %q; see /docs/", t.actorType, name).BeforeRun()
	}
	return id, m, nil
}
