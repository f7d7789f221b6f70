package route

import (
	"fmt"
	"strconv"
	"strings"
	"sync"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/sidecar/internal/command"
	"github.com/mallee-io/mallee/sidecar/internal/key"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
)

// request is a forward or a side effect.
type request interface {
	GetServiceName() string
	GetCommandName() string
	GetPayload() *anypb.Any
	GetMetadata() *cloudstatepb.Metadata
}

// command makes the call that is asked for by a step, after those of trail.
func (r *Router) command(asked request, by command.Step, trail []command.Step) (*command.Command, error) {
	trail = append(trail[:len(trail):len(trail)], by)
	if len(trail) > command.MaxSteps {
		return nil, mallee.ErrCycle.Errorf("%s asks for %s.%s after %d forwards and side effects: they lead in a circle", nameOf(by), asked.GetServiceName(), asked.GetCommandName(), command.MaxSteps).BeforeRun()
	}
	m, err := r.method(asked.GetServiceName(), asked.GetCommandName())
	if err != nil {
		r.config.Report(retrace(err.Message, asked, trail))
		return nil, err.Errorf("%s asks for %s.%s: %s", nameOf(by), asked.GetServiceName(), asked.GetCommandName(), err.Message)
	}
	return &command.Command{On: m, Payload: command.PayloadOf(asked.GetPayload()), Metadata: command.MetadataOf(asked.GetMetadata()), Trail: trail}, nil
}

// method finds a method of the user function or, if it only knows the service,
// of others in the cluster.
func (r *Router) method(service, name string) (*spec.Method, *mallee.Error) {
	s := r.config.Model.Service(service)
	if s == nil {
		var err *mallee.Error
		if s, err = r.foreign.service(service); err != nil {
			return nil, err
		}
	}
	m := s.Method(name)
	if m == nil {
		return nil, mallee.ErrNotFound.Errorf("service %q has no command %q", service, name).BeforeRun()
	}
	return m, nil
}

// retrace says what has led to an error, the last step first.
func retrace(what string, asked request, trail []command.Step) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n  %s.%s", what, asked.GetServiceName(), asked.GetCommandName())
	for i := len(trail) - 1; i >= 0; i-- {
		how := "forwarded from"
		if trail[i].Effect {
			how = "side-effect of"
		}
		fmt.Fprintf(&b, "\n    %s %s", how, nameOf(trail[i]))
	}
	return b.String()
}

func nameOf(s command.Step) string { return s.Service + "." + s.Method }

// foreign are services that the user function does not serve but has the
// descriptors of: Go actors, and entities and actions of other sidecars.
type foreign struct {
	files *protoregistry.Files
	known sync.Map // of *spec.Service by their names
}

func (f *foreign) service(name string) (*spec.Service, *mallee.Error) {
	if s, ok := f.known.Load(name); ok {
		return s.(*spec.Service), nil
	}
	found, _ := f.files.FindDescriptorByName(protoreflect.FullName(name))
	d, ok := found.(protoreflect.ServiceDescriptor)
	if !ok {
		return nil, mallee.ErrNotFound.Errorf("there is no service %q", name).BeforeRun()
	}
	s := &spec.Service{Name: name, Descriptor: d}
	for i := range d.Methods().Len() {
		m := d.Methods().Get(i)
		k, err := key.Of(m.Input())
		if err != nil {
			return nil, mallee.ErrInvalid.Errorf("service %q: %s", name, mallee.AsError(err).Message).BeforeRun()
		}
		s.Methods = append(s.Methods, &spec.Method{
			Service: s, Name: string(m.Name()), Input: m.Input(), Output: m.Output(),
			ClientStreams: m.IsStreamingClient(), ServerStreams: m.IsStreamingServer(), Key: k,
		})
	}
	known, _ := f.known.LoadOrStore(name, s)
	return known.(*spec.Service), nil
}

// idOf is the actor that a command is for. One without a key is for any worker
// of an action elsewhere.
func (r *Router) idOf(c *command.Command) (mallee.ID, error) {
	s := c.On.Service
	if isAction(s) || c.On.Key == nil && !s.Kind.HasKey() {
		return mallee.ID{Type: s.Name, Key: strconv.Itoa(int(r.turn.Add(1) % workerKeys))}, nil
	}
	if c.On.Key == nil {
		return mallee.ID{}, mallee.ErrInvalid.Errorf("%s.%s: message %s has no entity key", s.Name, c.On.Name, c.On.Input.FullName()).BeforeRun()
	}
	id, err := c.On.Key.Read(c.Payload.Value)
	if err != nil {
		return mallee.ID{}, fmt.Errorf("%s.%s: %w", s.Name, c.On.Name, err)
	}
	return mallee.ID{Type: s.Name, Key: id}, nil
}

// workerKeys is how many keys calls of actions are spread over: a call looks for
// an idle worker among all that its key has.
const workerKeys = 64
