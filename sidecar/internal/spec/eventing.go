package spec

import (
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
)

// loadEventing takes what a method consumes, and where its replies go.
func (l *loader) loadEventing(m *Method, d protoreflect.MethodDescriptor) {
	if !proto.HasExtension(d.Options(), cloudstatepb.E_Eventing) {
		l.loadLegacyEventing(m, d)
		return
	}
	e := proto.GetExtension(d.Options(), cloudstatepb.E_Eventing).(*cloudstatepb.Eventing)
	if in := e.GetIn(); in != nil {
		m.Source = &Source{Topic: in.GetTopic(), EventLog: in.GetEventLog(), Group: in.GetConsumerGroup()}
		if m.Source.Topic == "" && m.Source.EventLog == "" {
			l.methodErrorf(m, "its eventing option has an empty in: name a topic, or the event_log of an event sourced entity")
		}
	}
	if out := e.GetOut(); out != nil {
		if m.Topic = out.GetTopic(); m.Topic == "" {
			l.methodErrorf(m, "its eventing option has an empty out: name a topic")
		}
	}
	if !l.options.Broker && (m.Topic != "" || m.Source != nil && m.Source.Topic != "") {
		l.methodErrorf(m, "its eventing option names a topic, and the sidecar has no message broker: configure one, or take the topic out")
	}
	l.finishEventing(m)
}

// loadLegacyEventing takes the option of protocol 0.1. Its topics never needed
// a broker, so without one they only get a warning.
func (l *loader) loadLegacyEventing(m *Method, d protoreflect.MethodDescriptor) {
	in, out, err := legacyEventing(d.Options().ProtoReflect().GetUnknown())
	switch {
	case err != nil:
		l.methodErrorf(m, "its eventing option (50003) cannot be read: %s", plain(err))
		return
	case in == "" && out == "":
		return
	case !l.options.Broker:
		l.warnf("service %s, method %s: its eventing option names a topic, and the sidecar has no message broker: "+
			"no events are consumed nor published", m.Service.Name, m.Name)
		return
	}
	if in != "" {
		m.Source = &Source{Topic: in}
	}
	if out != "discard" {
		m.Topic = out
	}
	l.finishEventing(m)
}

// legacyEventing reads the message {1: in, 2: out} in option 50003. Options that
// come in parts are one message.
func legacyEventing(options []byte) (in, out string, err error) {
	err = eachText(options, 50003, func(_ protowire.Number, eventing string) error {
		return eachText([]byte(eventing), 0, func(num protowire.Number, text string) error {
			switch num {
			case 1:
				in = text
			case 2:
				out = text
			}
			return nil
		})
	})
	return in, out, err
}

// eachText calls f with the fields of a message that have a length and the
// number, or, if it is 0, any number.
func eachText(b []byte, number protowire.Number, f func(protowire.Number, string) error) error {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeField(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		if typ == protowire.BytesType && (number == 0 || number == num) {
			_, _, tag := protowire.ConsumeTag(b)
			text, _ := protowire.ConsumeString(b[tag:])
			if err := f(num, text); err != nil {
				return err
			}
		}
		b = b[n:]
	}
	return nil
}

func (l *loader) finishEventing(m *Method) {
	if m.Source == nil {
		return
	}
	if m.Source.Group == "" {
		m.Source.Group = m.Service.Name
	}
	if m.Topic != "" && m.Source.Topic == m.Topic {
		l.methodErrorf(m, "it consumes topic %q and publishes to it, so that its own replies would come back: use two topics", m.Topic)
	}
}

// checkConsumers checks that each event has one method to go to.
func (l *loader) checkConsumers(s *Service) {
	for i, m := range s.Methods {
		same := slices.IndexFunc(s.Methods[:i], func(other *Method) bool {
			return m.Source != nil && other.Source != nil && *m.Source == *other.Source &&
				m.Input.FullName() == other.Input.FullName()
		})
		if same >= 0 {
			l.methodErrorf(m, "it consumes the same source with the same message %s as method %s: "+
				"leave one of them, or give one another consumer_group", m.Input.FullName(), s.Methods[same].Name)
		}
	}
}

// checkLogs checks that the event logs which are consumed have a writer.
func (l *loader) checkLogs() {
	for _, s := range l.model.Services {
		for _, m := range s.Methods {
			if m.Source == nil || m.Source.EventLog == "" {
				continue
			}
			if !slices.ContainsFunc(l.model.Services, func(writer *Service) bool {
				return writer.Kind == EventSourced && writer.PersistenceID == m.Source.EventLog
			}) {
				l.methodErrorf(m, "it consumes the event log %q, and no event sourced entity of the user function has this persistence id: "+
					"name one that has", m.Source.EventLog)
			}
		}
	}
}
