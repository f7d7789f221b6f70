package sidecartest

import (
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/crdtpb"
	"github.com/mallee-io/mallee/internal/gen/tckpb/tckcrdt"
)

// datum is the value of a replicated entity as user functions have it: one that
// is not replicated itself, and knows what it has not told the sidecar yet.
type datum interface {
	// update does what a request asks for.
	update(u *tckcrdt.Update) error
	// apply takes a change that comes from the sidecar.
	apply(d *crdtpb.CrdtDelta) error
	// changed reports whether there is something to tell.
	changed() bool
	// tell returns what has changed since it was told the last time; it may be
	// nothing.
	tell() *crdtpb.CrdtDelta
	// state is the value as responses have it.
	state() *tckcrdt.State
}

// newDatum makes an empty value of the type that the name of an entity, or of an
// entry of a map, begins with.
func newDatum(name string) (datum, error) {
	kind, _, _ := strings.Cut(name, "-")
	switch kind {
	case "GCounter":
		return &gcounter{}, nil
	case "PNCounter":
		return &pncounter{}, nil
	case "GSet":
		return &gset{all: texts{}, added: texts{}}, nil
	case "ORSet":
		return &orset{all: texts{}, added: texts{}, removed: texts{}}, nil
	case "LWWRegister":
		return &register{fresh: true}, nil
	case "Flag":
		return &flag{}, nil
	case "ORMap":
		return &ormap{all: map[string]datum{}, added: texts{}, removed: texts{}}, nil
	case "Vote":
		return &vote{voters: 1}, nil
	}
	return nil, violation("%q is not the name of a value", name)
}

// texts is a set of what the model has as elements, and as keys of maps.
type texts map[string]struct{}

func (s texts) has(text string) bool { _, has := s[text]; return has }
func (s texts) add(text string)      { s[text] = struct{}{} }

func (s texts) sorted() []string { return slices.Sorted(maps.Keys(s)) }

// packed are the texts as they are on the wire.
func (s texts) packed() (all []*anypb.Any) {
	for _, text := range s.sorted() {
		all = append(all, packText(text))
	}
	return all
}

// take adds elements from the wire, and removes others. What is not new, or is
// not there, does not come from a sidecar that knows what the user function has.
func (s texts) take(removed, added []*anypb.Any) error {
	for _, element := range removed {
		text, err := unpackText(element)
		if err != nil {
			return err
		}
		if !s.has(text) {
			return violation("%q is removed, and is not there", text)
		}
		delete(s, text)
	}
	for _, element := range added {
		text, err := unpackText(element)
		if err != nil {
			return err
		}
		if s.has(text) {
			return violation("%q is added, and is there", text)
		}
		s.add(text)
	}
	return nil
}

// wrongType is the error of an update or a delta that is for another type.
func wrongType(d datum) error { return violation("a change of another type than %T", d) }
