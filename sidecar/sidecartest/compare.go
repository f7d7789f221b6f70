package sidecartest

import (
	"fmt"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/actionpb"
)

// difference is empty if the messages are the same in all that they have,
// unknown fields and the bytes of payloads too. Of actions metadata do not
// count: they have what clients and libraries put there.
func difference(got, want proto.Message) string {
	if proto.Equal(withoutMetadata(got), withoutMetadata(want)) {
		return ""
	}
	return fmt.Sprintf("differs\n got: %s\nwant: %s", short(got), short(want))
}

func withoutMetadata(m proto.Message) proto.Message {
	m = proto.Clone(m)
	switch m := m.(type) {
	case *actionpb.ActionCommand:
		m.Metadata = nil
	case *actionpb.ActionResponse:
		if r := m.GetReply(); r != nil {
			r.Metadata = nil
		}
		if f := m.GetForward(); f != nil {
			f.Metadata = nil
		}
		for _, e := range m.GetSideEffects() {
			e.Metadata = nil
		}
	}
	return m
}

// short is a message for a person.
func short(m proto.Message) string {
	const most = 1000
	text := prototext.MarshalOptions{}.Format(m)
	if len(text) > most {
		text = text[:most] + "…"
	}
	return fmt.Sprintf("%s{%s}", m.ProtoReflect().Descriptor().Name(), text)
}
