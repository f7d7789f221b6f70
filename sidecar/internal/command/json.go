package command

import (
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// message is a payload as JSON, for tools that call entities by name.
type message struct {
	of      protoreflect.MessageDescriptor
	url     string
	payload *Payload
}

// Args is the message that it asks with, as JSON.
func (c *Command) Args() any {
	return &struct {
		Message message `json:"message"`
	}{message{c.On.Input, c.On.InputURL(), &c.Payload}}
}

// Results is the message of the reply, as JSON; null without one.
func (c *Command) Results() any {
	results := &struct {
		Message message `json:"message"`
	}{message{c.On.Output, c.On.OutputURL(), nil}}
	if c.Reply != nil {
		results.Message.payload = &c.Reply.Payload
	}
	return results
}

func (m message) MarshalJSON() ([]byte, error) {
	if m.payload == nil {
		return []byte("null"), nil
	}
	of := dynamicpb.NewMessage(m.of)
	if err := proto.Unmarshal(m.payload.Value, of); err != nil {
		return nil, err
	}
	return protojson.Marshal(of)
}

func (m *message) UnmarshalJSON(text []byte) error {
	of := dynamicpb.NewMessage(m.of)
	if err := protojson.Unmarshal(text, of); err != nil {
		return err
	}
	value, err := proto.MarshalOptions{Deterministic: true}.Marshal(of)
	m.payload.TypeURL, m.payload.Value = m.url, value
	return err
}
