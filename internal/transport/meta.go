package transport

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/activation"
	"github.com/mallee-io/mallee/placement"
)

// The meta of a Message in a frame, whose body is the Message's:
//
//	0 │ version │ kind │ sections │ call │ section …
//
// Koala's metas begin with the length of a type name, which is never 0. Numbers
// are varints, texts their length and bytes. Bits of sections say which
// sections follow, in the order of the bits. A later program of the same
// version may append sections, and they are skipped; what cannot be skipped
// takes another version.
const (
	metaMark    = 0
	metaVersion = 1
	metaKind    = 2 // where the kind stands
)

const (
	sectionRequest  = 1 << iota // actor, interface, method, timeout
	sectionChain                // number of hops, then each hop's actor and turn
	sectionError                // 1 for NotRun or 0, code, message
	sectionOwner                // node, epoch
	sectionEncoding             // of the Body; without it MessagePack
	sectionTrace                // traceparent, tracestate
)

// minHop is the shortest encoding of a hop, in bytes.
const minHop = 3

var errShortMeta = errors.New("it ends too early")

// AppendMeta appends what a frame says of m: everything but the Body.
func AppendMeta(b []byte, m *Message) []byte {
	b = append(b, metaMark, metaVersion, byte(m.Kind), m.sections())
	b = binary.AppendUvarint(b, m.Call)
	if m.hasRequest() {
		b = appendID(b, m.Actor)
		b = appendText(b, m.Interface)
		b = appendText(b, m.Method)
		b = binary.AppendVarint(b, int64(m.Timeout))
	}
	if len(m.Chain) > 0 {
		b = binary.AppendUvarint(b, uint64(len(m.Chain)))
		for _, hop := range m.Chain {
			b = binary.AppendUvarint(appendID(b, hop.ID), hop.Turn)
		}
	}
	if m.Error != nil {
		b = appendBool(b, m.Error.NotRun)
		b = appendText(b, string(m.Error.Code))
		b = appendText(b, m.Error.Message)
	}
	if m.Owner != (placement.Grant{}) {
		b = binary.AppendUvarint(b, uint64(m.Owner.Node))
		b = binary.AppendUvarint(b, m.Owner.Epoch)
	}
	if m.Encoding != MessagePack {
		b = append(b, byte(m.Encoding))
	}
	if m.Trace != (Trace{}) {
		b = appendText(appendText(b, m.Trace.Parent), m.Trace.State)
	}
	return b
}

func (m *Message) hasRequest() bool {
	return m.Actor != (mallee.ID{}) || m.Interface != "" || m.Method != "" || m.Timeout != 0
}

func (m *Message) sections() (s byte) {
	if m.hasRequest() {
		s |= sectionRequest
	}
	if len(m.Chain) > 0 {
		s |= sectionChain
	}
	if m.Error != nil {
		s |= sectionError
	}
	if m.Owner != (placement.Grant{}) {
		s |= sectionOwner
	}
	if m.Encoding != MessagePack {
		s |= sectionEncoding
	}
	if m.Trace != (Trace{}) {
		s |= sectionTrace
	}
	return s
}

// ParseMeta reads what AppendMeta wrote. It does not keep b.
func ParseMeta(b []byte) (*Message, error) {
	m := new(Message)
	return m, parseMeta(m, b, nil)
}

// parseMeta fills m. Names that come again and again are taken from names.
func parseMeta(m *Message, b []byte, names *names) error {
	if err := checkMeta(b); err != nil {
		return err
	}
	if len(b) <= metaKind+1 {
		return fmt.Errorf("meta of a message: %w", errShortMeta)
	}
	sections := b[metaKind+1]
	m.Kind = Kind(b[metaKind])
	if m.Kind < Request || m.Kind > Gossip {
		return fmt.Errorf("meta of a message: kind %d is not known", m.Kind)
	}
	r := metaReader{rest: b[metaKind+2:], names: names}
	m.Call = r.uvarint()
	if sections&sectionRequest != 0 {
		m.Actor, m.Interface, m.Method = r.id(), r.name(), r.name()
		m.Timeout = time.Duration(r.varint())
	}
	if sections&sectionChain != 0 {
		m.Chain = r.chain()
	}
	if sections&sectionError != 0 {
		m.Error = &mallee.Error{NotRun: r.bool(), Code: mallee.Code(r.name()), Message: r.text()}
	}
	if sections&sectionOwner != 0 {
		m.Owner = placement.Grant{Node: placement.NodeID(r.uvarint()), Epoch: r.uvarint()}
	}
	if sections&sectionEncoding != 0 {
		m.Encoding = Encoding(r.byte())
	}
	if sections&sectionTrace != 0 {
		m.Trace = Trace{Parent: r.text(), State: r.text()}
	}
	if r.err != nil {
		return fmt.Errorf("meta of a message: %w", r.err)
	}
	return nil
}

// checkMeta looks at what all versions have in common.
func checkMeta(b []byte) error {
	switch {
	case len(b) <= metaKind:
		return fmt.Errorf("a meta of %d bytes: %w", len(b), errShortMeta)
	case b[0] != metaMark:
		return fmt.Errorf("a meta that begins with %#x is not of a Mallee node", b[0])
	case b[1] != metaVersion:
		return fmt.Errorf("a meta of version %d: this node speaks version %d", b[1], metaVersion)
	}
	return nil
}

func appendID(b []byte, id mallee.ID) []byte { return appendText(appendText(b, id.Type), id.Key) }

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

// metaReader keeps its first error and returns zero values from then on.
type metaReader struct {
	rest  []byte
	names *names
	err   error
}

func (r *metaReader) fail() {
	if r.err == nil {
		r.err = errShortMeta
	}
	r.rest = nil
}

func (r *metaReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *metaReader) varint() int64 {
	v, n := binary.Varint(r.rest)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *metaReader) byte() byte {
	if len(r.rest) == 0 {
		r.fail()
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}

func (r *metaReader) bool() bool { return r.uvarint() != 0 }

func (r *metaReader) bytes() []byte {
	n := r.uvarint()
	if n > uint64(len(r.rest)) {
		r.fail()
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *metaReader) text() string { return string(r.bytes()) }
func (r *metaReader) name() string { return r.names.get(r.bytes()) }

func (r *metaReader) id() mallee.ID { return mallee.ID{Type: r.name(), Key: r.text()} }

func (r *metaReader) chain() []activation.Hop {
	n := r.uvarint()
	if n > uint64(len(r.rest)/minHop) {
		r.fail()
	}
	if n == 0 || r.err != nil {
		return nil
	}
	hops := make([]activation.Hop, n)
	for i := range hops {
		hops[i] = activation.Hop{ID: r.id(), Turn: r.uvarint()}
	}
	return hops
}

// names remembers texts that come with most messages: types, interfaces,
// methods. Texts of one slot displace each other, so a peer, who chooses them,
// cannot make it grow.
type names [64]string

const maxNameLength = 128

func (n *names) get(b []byte) string {
	if n == nil || len(b) == 0 || len(b) > maxNameLength {
		return string(b)
	}
	slot := &n[(len(b)+int(b[0])<<1+int(b[len(b)/2])<<2+int(b[len(b)-1])<<3)%len(n)]
	if *slot != string(b) {
		*slot = string(b)
	}
	return *slot
}
