// Package spec is what a user function has declared of itself: its services,
// their methods, and how each of them is served. It is pure, and a Model never
// changes once it is made.
package spec

import (
	"time"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/mallee-io/mallee/sidecar/internal/key"
)

// Kind is how the user function keeps a service. The texts are those of the
// protocol: each is the full name of the service that the user function
// implements for it.
type Kind string

// Kinds of services.
const (
	EventSourced Kind = "cloudstate.eventsourced.EventSourced"
	Value        Kind = "cloudstate.valueentity.ValueEntity"
	Action       Kind = "cloudstate.action.ActionProtocol"
	Replicated   Kind = "cloudstate.crdt.Crdt"
	Stateless    Kind = "cloudstate.function.StatelessFunction" // Action in dialect 0.1
)

// HasKey reports whether the services of the kind are entities, each with an id.
func (k Kind) HasKey() bool { return k == EventSourced || k == Value || k == Replicated }

// Dialect is the version of the protocol's messages.
type Dialect uint8

// Dialects. They differ only in replicated entities; what differs in actions
// is told by their Kind.
const (
	Dialect02 Dialect = iota
	Dialect01
)

// Model is what a user function has declared.
type Model struct {
	Services []*Service           // in the order of their declaration
	Files    *protoregistry.Files // all that it has sent
	Types    *protoregistry.Types // messages and enums of Files, made dynamically; the extensions that the protocol knows
	Dialect  Dialect
	Library  string   // name and version of its support library, for logs
	Warnings []string // what is probably not meant, for its developer; it works without
}

// Service is one declared service.
type Service struct {
	Name          string // full name; also the name of the actor type
	Kind          Kind
	PersistenceID string        // under which its entities are stored, of no other service; may be empty for actions
	IdleTimeout   time.Duration // of an entity; 0: the sidecar's default
	Methods       []*Method     // in the order of their declaration
	Descriptor    protoreflect.ServiceDescriptor
}

// Method is one rpc of a service.
type Method struct {
	Service       *Service
	Name          string
	Input, Output protoreflect.MessageDescriptor
	ClientStreams bool                    // the caller sends many messages
	ServerStreams bool                    // the caller gets many
	Key           *key.Key                // of an entity's; nil: the service's kind has none
	Rules         []*annotations.HttpRule // main rule, then its additional ones, all valid; none: the default route
	Source        *Source                 // of the events that it consumes; nil: none
	Topic         string                  // to which its replies are published; empty: none
}

// Source is where events come from: a topic of a broker, or the log of an
// event sourced entity of the same user function. One of them is set.
type Source struct {
	Topic    string
	EventLog string // persistence id
	Group    string // consumer group; never empty
}

// Unary reports whether one message is answered by one message.
func (m *Method) Unary() bool { return !m.ClientStreams && !m.ServerStreams }

// Path is the method's path in HTTP/2.
func (m *Method) Path() string { return "/" + m.Service.Name + "/" + m.Name }

// URLPrefix begins the type URL of protobuf messages.
const URLPrefix = "type.googleapis.com/"

// InputURL is the type URL of the messages that the method takes, and OutputURL
// that of those which it answers with.
func (m *Method) InputURL() string { return URLPrefix + string(m.Input.FullName()) }

// OutputURL is the type URL of the method's answers.
func (m *Method) OutputURL() string { return URLPrefix + string(m.Output.FullName()) }

// Service finds a service by its full name; nil: there is none.
func (m *Model) Service(name string) *Service {
	for _, s := range m.Services {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// Method finds a method by its name; nil: there is none.
func (s *Service) Method(name string) *Method {
	for _, m := range s.Methods {
		if m.Name == name {
			return m
		}
	}
	return nil
}
