package sidecar

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/sidecar/internal/entity"
	"github.com/mallee-io/mallee/sidecar/internal/eventing"
	"github.com/mallee-io/mallee/sidecar/internal/ingress"
	"github.com/mallee-io/mallee/sidecar/internal/replicated"
	"github.com/mallee-io/mallee/sidecar/internal/route"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
)

// serving is what serves the clients of one model.
type serving struct {
	node     *node.Node
	listener net.Listener
	server   *http.Server
	events   *eventing.Eventing
	entities *replicated.Server // replicated ones
	router   *route.Router
	metrics  http.Handler
}

// Of the end: calls in flight have so long to finish, and then the entities
// have the rest to leave.
const (
	finishTimeout = 10 * time.Second
	closeTimeout  = 20 * time.Second
)

// laterNode is the node that the router calls actors by; its types need the
// router first.
type laterNode struct{ *node.Node }

// open starts a node that hosts the services of the model, and then serves
// clients.
func (s *Sidecar) open(ctx context.Context, model *spec.Model) (_ *serving, err error) {
	later := new(laterNode)
	events := eventing.New(eventing.Config{Model: model, Store: s.config.Node.Store, Broker: s.broker, Report: s.report, Log: s.config.Log})
	streams := s.streams(model)
	entities := replicated.New(replicated.Config{
		Model: model, Function: s.conn, Replicas: later, Report: s.report, Streams: streams, MaxMessage: s.config.MaxMessage,
		RelayTimeout: s.config.RelayTimeout, IdleTimeout: s.config.Passivation, Log: s.config.Log,
	})
	router := route.New(route.Config{
		Model: model, Function: s.conn, Actors: later, Replicated: entities, Report: s.report, Publish: events.Publish, Log: s.config.Log,
	})
	config := s.config.Node
	types, figures := s.types(model, router, entities, streams, events)
	config.Types = slices.Concat(config.Types, types)
	if later.Node, err = node.Start(ctx, config); err != nil {
		return nil, err
	}
	opened := &serving{node: later.Node, events: events, entities: entities, router: router, metrics: metrics(append(figures, later.Collector(), events)...)}
	defer func() {
		if err != nil {
			leaving, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
			defer cancel()
			err = errors.Join(err, opened.node.Stop(leaving))
		}
	}()
	handler, err := ingress.New(ingress.Config{Model: model, Server: router, MaxMessage: s.config.MaxMessage, Ready: func() bool { return s.serves() == nil }, Log: s.config.Log})
	if err != nil {
		return nil, err
	}
	var listening net.ListenConfig
	if opened.listener, err = listening.Listen(ctx, "tcp", s.config.Listen); err != nil {
		return nil, fmt.Errorf("serve clients: %w", err)
	}
	opened.server = ingress.NewServer(handler, s.config.Log)
	go func() { _ = opened.server.Serve(ingress.Listen(opened.listener)) }() // ends with close
	events.Start(router, opened.node)
	return opened, nil
}

// types are the actor types of the model's services, and what they count.
func (s *Sidecar) types(model *spec.Model, router *route.Router, entities *replicated.Server, streams *entity.Streams, events *eventing.Eventing) (types []mallee.Type, figures []prometheus.Collector) {
	config := entity.Config{
		Function: s.conn, Router: router, Follow: events.Follow, MaxMessage: s.config.MaxMessage,
		RelayTimeout: s.config.RelayTimeout, IdleTimeout: s.config.Passivation, Streams: streams, WholeReplay: python(model), Log: s.config.Log,
	}
	for _, service := range model.Services {
		switch service.Kind {
		case spec.EventSourced, spec.Value:
			counted := entityFigures{new(entity.Figures), service}
			config.Figures = counted.Figures
			types, figures = append(types, entity.Type(service, config)), append(figures, counted)
		case spec.Action, spec.Stateless:
			types = append(types, router.ActionType(service))
		case spec.Replicated:
			types = append(types, router.ReplicatedType(service))
			figures = append(figures, replicatedFigures{entities.Figures(service), service})
		}
	}
	return types, figures
}

// streams bounds the streams of entities. Each pins a thread of Python's library,
// which has as many of them as there are CPUs; one stays for all other calls.
func (s *Sidecar) streams(model *spec.Model) *entity.Streams {
	n := s.config.MaxStreams
	if n == 0 && python(model) {
		n = max(1, runtime.NumCPU()-1)
	}
	if n == 0 {
		return nil
	}
	return entity.NewStreams(n)
}

// python reports whether the user function has Python's library. No version of it
// can read a snapshot that it has made.
func python(model *spec.Model) bool {
	return strings.HasPrefix(model.Library, "cloudstate-python-support")
}

// close lets calls finish and the entities leave, in this order.
func (s *serving) close(ctx context.Context) error {
	finishing, cancel := context.WithTimeout(ctx, finishTimeout)
	defer cancel()
	s.entities.Drain() // or streams to clients would have no end
	err := s.server.Shutdown(finishing)
	if err != nil {
		err = errors.Join(err, s.server.Close())
	}
	s.events.Stop(finishing)
	err = errors.Join(err, s.router.Wait(finishing), s.entities.Close(finishing))
	return errors.Join(err, s.node.Stop(ctx))
}

// serves is nil while commands can be served, for health checks.
func (s *Sidecar) serves() error {
	if _, waits := s.ready(); waits != nil {
		return waits
	}
	if n := s.Node(); n != nil { // it may just have been retired
		return n.Ready()
	}
	return errStopped
}
