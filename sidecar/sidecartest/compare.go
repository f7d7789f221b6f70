package sidecartest

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/actionpb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/crdtpb"
)

// difference is empty if the messages are the same in all that they have,
// unknown fields and the bytes of payloads too. Of actions metadata do not
// count: they have what clients and libraries put there. Of replicated entities
// the order of elements does not count, since they are those of sets.
func difference(got, want proto.Message) string {
	if proto.Equal(inOrder(withoutMetadata(got)), inOrder(withoutMetadata(want))) {
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

// inOrder sorts the elements of a message's delta, in place.
func inOrder(m proto.Message) proto.Message {
	switch m := m.(type) {
	case *crdtpb.CrdtStreamIn:
		sortDelta(m.GetInit().GetDelta())
		sortDelta(m.GetDelta())
	case *crdtpb.CrdtStreamOut:
		sortDelta(m.GetReply().GetStateAction().GetUpdate())
		sortDelta(m.GetStreamCancelledResponse().GetStateAction().GetUpdate())
	}
	return m
}

func sortDelta(delta *crdtpb.CrdtDelta) {
	switch d := delta.GetDelta().(type) {
	case *crdtpb.CrdtDelta_Gset:
		sortElements(d.Gset.GetAdded())
	case *crdtpb.CrdtDelta_Orset:
		sortElements(d.Orset.GetRemoved())
		sortElements(d.Orset.GetAdded())
	case *crdtpb.CrdtDelta_Lwwregister:
		canonical(d.Lwwregister.GetValue())
	case *crdtpb.CrdtDelta_Ormap:
		sortElements(d.Ormap.GetRemoved())
		sortEntries(d.Ormap.GetUpdated())
		sortEntries(d.Ormap.GetAdded())
	}
}

func sortElements(all []*anypb.Any) {
	for _, a := range all {
		canonical(a)
	}
	slices.SortFunc(all, compareElements)
}

func sortEntries(all []*crdtpb.ORMapEntryDelta) {
	for _, e := range all {
		canonical(e.GetKey())
		sortDelta(e.GetDelta())
	}
	slices.SortFunc(all, func(a, b *crdtpb.ORMapEntryDelta) int { return compareElements(a.GetKey(), b.GetKey()) })
}

func compareElements(a, b *anypb.Any) int {
	return cmp.Or(strings.Compare(a.GetTypeUrl(), b.GetTypeUrl()), bytes.Compare(a.GetValue(), b.GetValue()))
}

// canonical makes one of the two encodings that an empty text has.
func canonical(a *anypb.Any) {
	if text, err := unpackText(a); err == nil && text == "" {
		a.Value = nil
	}
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
