package transport_test

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/activation"
	"github.com/mallee-io/mallee/internal/transport"
	"github.com/mallee-io/mallee/placement"
)

func samples() []transport.Message {
	return []transport.Message{
		{Kind: transport.Request, Actor: mallee.ID{Type: "Player", Key: "1"}, Interface: "Player", Method: "Give", Timeout: 5 * time.Second},
		{
			Kind: transport.Request, Call: math.MaxUint64, Actor: mallee.ID{Type: "P", Key: "日本/\x00"}, Method: "M", Timeout: -time.Second,
			Chain: []activation.Hop{{ID: mallee.ID{Type: "A", Key: "b"}, Turn: 7}, {}},
		},
		{Kind: transport.Reply, Call: 3},
		{Kind: transport.Reply, Call: 3, Error: &mallee.Error{Code: "game.bad_name", Message: "too long", NotRun: true}},
		{Kind: transport.Reply, Call: 3, Error: &mallee.Error{}},
		{Kind: transport.Reply, Call: 300, Owner: placement.Grant{Node: 9, Epoch: 1 << 40}},
		{Kind: transport.Reply, Call: 3, Encoding: transport.JSON},
		{Kind: transport.Cancel, Call: 1},
		{Kind: transport.Handoff, Call: 2, Actor: mallee.ID{Type: "Player", Key: "1"}, Timeout: time.Second, Owner: placement.Grant{Node: 2, Epoch: 3}},
		{Kind: transport.Activate, Call: 2, Actor: mallee.ID{Type: "Player", Key: "1"}},
		{Kind: transport.Edge, Actor: mallee.ID{Type: "Player", Key: "1"}, Method: "push", Timeout: time.Second},
		{Kind: transport.Edge, Call: 4, Method: "take", Timeout: time.Second},
		{Kind: transport.Order, Call: 1 << 40, Actor: mallee.ID{Type: "Player", Key: "1"}, Method: "push"},
		{Kind: transport.Ack, Call: 1 << 40},
		{Kind: transport.Gossip},
		{
			Kind: transport.Request, Call: 2, Actor: mallee.ID{Type: "A", Key: "b"}, Chain: []activation.Hop{{Turn: 1}},
			Trace: transport.Trace{Parent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", State: "a=b"},
		},
	}
}

func TestMetaKeepsAllFields(t *testing.T) {
	t.Parallel()
	for _, m := range samples() {
		b := transport.AppendMeta(nil, &m)
		got, err := transport.ParseMeta(b)
		if err != nil || !reflect.DeepEqual(*got, m) {
			t.Errorf("%+v became %+v, %v", m, got, err)
		}
		for cut := range b {
			if _, err := transport.ParseMeta(b[:cut]); err == nil {
				t.Errorf("%d of %d bytes of %+v are taken", cut, len(b), m)
			}
		}
		b[3] |= 0x80 // a section that a later program knows
		if got, err = transport.ParseMeta(append(b, "a later field"...)); err != nil || !reflect.DeepEqual(*got, m) {
			t.Errorf("with a later field %+v became %+v, %v", m, got, err)
		}
	}
}

// A field added to Message has to be added to its meta.
func TestMetaKnowsTheFieldsOfMessage(t *testing.T) {
	t.Parallel()
	if n := reflect.TypeFor[transport.Message]().NumField(); n != 12 {
		t.Errorf("Message has %d fields, and the meta was written for 12", n)
	}
}

func TestMetaRefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	for b, want := range map[string]string{
		"":                             "ends too early",
		"\x00\x02\x01\x00\x00":         "a meta of version 2: this node speaks version 1",
		"\x10RpcRequest":               "begins with 0x10",
		"\x00\x01\x0a\x00\x00":         "kind 10 is not known",
		"\x00\x01\x02\x02\x00\xff\x7f": "ends too early",
	} {
		if _, err := transport.ParseMeta([]byte(b)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", b, err, want)
		}
	}
}

func FuzzParseMeta(f *testing.F) {
	for _, m := range samples() {
		f.Add(transport.AppendMeta(nil, &m))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := transport.ParseMeta(b)
		if err != nil {
			return
		}
		again, err := transport.ParseMeta(transport.AppendMeta(nil, m))
		if err != nil || !reflect.DeepEqual(m, again) {
			t.Errorf("%+v became %+v, %v", m, again, err)
		}
	})
}

func FuzzAppendMeta(f *testing.F) {
	f.Add(uint64(1), "Player", "1", "Give", int64(5), uint64(2), "invalid", "text", true)
	f.Fuzz(func(t *testing.T, call uint64, typ, key, method string, timeout int64, turn uint64, code, text string, flag bool) {
		m := transport.Message{
			Kind: transport.Request, Call: call, Actor: mallee.ID{Type: typ, Key: key}, Interface: typ, Method: method, Timeout: time.Duration(timeout),
			Chain: []activation.Hop{{ID: mallee.ID{Type: key, Key: typ}, Turn: turn}},
			Owner: placement.Grant{Node: placement.NodeID(turn), Epoch: call},
			Error: &mallee.Error{Code: mallee.Code(code), Message: text, NotRun: flag},
		}
		got, err := transport.ParseMeta(transport.AppendMeta(nil, &m))
		if err != nil || !reflect.DeepEqual(*got, m) {
			t.Errorf("%+v became %+v, %v", m, got, err)
		}
	})
}
