package command

import (
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
)

// PayloadOf is the payload of a message of the user function. It shares its
// bytes. Nothing is an empty payload.
func PayloadOf(a *anypb.Any) Payload {
	return Payload{TypeURL: a.GetTypeUrl(), Value: a.GetValue()}
}

// Any is the payload in a message to the user function. It shares its bytes.
func (p Payload) Any() *anypb.Any { return &anypb.Any{TypeUrl: p.TypeURL, Value: p.Value} }

// MetadataOf is the metadata of a message of the user function. Entries without
// a value are texts.
func MetadataOf(m *cloudstatepb.Metadata) Metadata {
	if len(m.GetEntries()) == 0 {
		return nil
	}
	md := make(Metadata, len(m.GetEntries()))
	for i, from := range m.GetEntries() {
		md[i] = Entry{Key: from.GetKey(), Text: from.GetStringValue()}
		if value, binary := from.GetValue().(*cloudstatepb.MetadataEntry_BytesValue); binary {
			md[i].Bytes, md[i].Binary = value.BytesValue, true
		}
	}
	return md
}

// Proto is the metadata in a message to the user function; never nil.
func (m Metadata) Proto() *cloudstatepb.Metadata {
	p := &cloudstatepb.Metadata{}
	for _, e := range m {
		entry := &cloudstatepb.MetadataEntry{Key: e.Key, Value: &cloudstatepb.MetadataEntry_StringValue{StringValue: e.Text}}
		if e.Binary {
			entry.Value = &cloudstatepb.MetadataEntry_BytesValue{BytesValue: e.Bytes}
		}
		p.Entries = append(p.Entries, entry)
	}
	return p
}
