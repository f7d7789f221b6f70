// Package replicated runs the replicated entities of a user function, whose state
// is a value that all nodes change at once (package crdt).
//
// They are no actors: each node has an instance of its own of an entity, one
// stream to its user function, as long as there are commands to it here. What the
// user function changes is applied to the node's replica, and what others change
// it is told. A machine decides what is said; an instance says it.
//
// What user functions ask for in their answers, forwards and side effects, is not
// its concern. It is not stored, as that of other entities is: a node that
// crashes after a change has not carried out what belongs to it.
package replicated

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/sidecar/internal/command"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
)

// Server has the instances of all replicated entities of a user function on this
// node. It is safe for concurrent use.
type Server struct {
	Config
	figures map[*spec.Service]*Figures
	other   atomic.Bool // the dialect is not that of the model

	mu        sync.Mutex
	instances map[key]*instance // the last one of each entity
	draining  bool
	closed    bool
	running   sync.WaitGroup
}

// key is an entity.
type key struct {
	service *spec.Service
	id      string
}

// New makes a server.
func New(c Config) *Server {
	s := &Server{Config: c.withDefaults(), figures: make(map[*spec.Service]*Figures), instances: make(map[key]*instance)}
	for _, service := range c.Model.Services {
		if service.Kind == spec.Replicated {
			s.figures[service] = new(Figures)
		}
	}
	return s
}

// Figures are those of one of the model's replicated services.
func (s *Server) Figures(service *spec.Service) *Figures { return s.figures[service] }

// ID is the name of the replicated value of an entity: its type has the service
// and the persistence id in it, so that two services never share one.
func ID(s *spec.Service, id string) mallee.ID {
	typ := s.Name
	if s.PersistenceID != s.Name {
		typ += ":" + s.PersistenceID
	}
	return mallee.ID{Type: typ, Key: id}
}

// Open gives a command to an entity. It does not wait: commands to one entity
// reach it in the order in which they are opened.
func (s *Server) Open(c *command.Command, id string) (*Call, error) {
	figures := s.figures[c.On.Service]
	if figures == nil {
		return nil, mallee.ErrNotFound.Errorf("service %s is no replicated entity of this user function", c.On.Service.Name).BeforeRun()
	}
	figures.Commands.Add(1)
	call, err := s.open(c, key{c.On.Service, id})
	if err != nil {
		figures.FailedCommands.Add(1)
	}
	return call, err
}

func (s *Server) open(c *command.Command, at key) (*Call, error) {
	if err := (mallee.ID{Type: at.service.Name, Key: at.id}).Validate(); err != nil {
		return nil, err
	}
	replica := s.Replicas.Replica(ID(at.service, at.id))
	call := &Call{command: c, streams: c.On.ServerStreams, limit: s.MaxBehind, changed: make(chan struct{}, 1)}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return nil, mallee.ErrUnavailable.Errorf("the sidecar has stopped").BeforeRun()
	case replica.Deleted():
		return nil, command.Failed(isDeleted)
	case s.draining && call.streams:
		call.complete()
	}
	last := s.instances[at]
	if last != nil {
		if taken, err := last.offer(call); taken || err != nil {
			return call, err
		}
	}
	i := newInstance(s, at, replica, last)
	s.instances[at] = i
	s.aside(i.run)
	_, err := i.offer(call)
	return call, err
}

// ended takes note that an instance has ended.
func (s *Server) ended(i *instance) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.instances[i.key] == i {
		delete(s.instances, i.key)
	}
}

func (s *Server) all() (all []*instance) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, i := range s.instances {
		all = append(all, i)
	}
	return all
}

// Drain ends the streams of callers, in good order, so that their user functions
// hear that they have gone. Other commands go on.
func (s *Server) Drain() {
	s.mu.Lock()
	s.draining = true
	s.mu.Unlock()
	for _, i := range s.all() {
		i.complete()
	}
}

// Close takes no more commands, and ends instances once they have none. When ctx
// ends, they end at once.
func (s *Server) Close(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	for _, i := range s.all() {
		i.retire(false)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.running.Wait()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	late := s.all()
	for _, i := range late {
		i.retire(true)
	}
	<-done // bounded by the timeouts of streams
	if len(late) == 0 {
		return nil
	}
	return mallee.ErrTimeout.Errorf("replicated entities had not ended their streams in time")
}

// dialect is the one that the user function speaks.
func (s *Server) dialect() spec.Dialect {
	d := s.Model.Dialect
	if s.other.Load() {
		d = spec.Dialect01 + spec.Dialect02 - d
	}
	return d
}

// mistaken changes the dialect, once, after the user function has answered in the
// other one; streams in the wrong one are reset.
func (s *Server) mistaken(d spec.Dialect) {
	if d != s.Model.Dialect || !s.other.CompareAndSwap(false, true) {
		return
	}
	s.Log.Warn("replicated entities: the user function has answered in the other dialect of the protocol, so it is spoken from now on")
	for _, i := range s.all() {
		i.reset(s.dialect())
	}
}

// aside runs what Close has to wait for. An instance that has not ended calls it.
func (s *Server) aside(f func()) {
	s.running.Add(1)
	go func() {
		defer s.running.Done()
		f()
	}()
}
