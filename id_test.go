package mallee_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/mallee-io/mallee"
)

func TestIDValidate(t *testing.T) {
	t.Parallel()
	for _, id := range []mallee.ID{{}, {Type: "P"}, {Key: "1"}, {Type: "a/b", Key: "1"}, {Type: "P", Key: "\xff"}, {Type: "P", Key: strings.Repeat("k", 1025)}} {
		if err := id.Validate(); !errors.Is(err, mallee.ErrInvalid) {
			t.Errorf("%.20q: %v", id.String(), err)
		}
	}
}

func FuzzParseID(f *testing.F) {
	for _, seed := range []string{"Player/1001", "Player/a/b", "/", "", "x", "P/\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, err := mallee.ParseID(text)
		if err != nil {
			return
		}
		if id.String() != text {
			t.Errorf("%q became %q", text, id.String())
		}
		encoded, err := id.MarshalText()
		var again mallee.ID
		if err != nil || again.UnmarshalText(encoded) != nil || again != id {
			t.Errorf("%q does not come back: %v", text, err)
		}
	})
}

func TestZeroIDComesBack(t *testing.T) {
	t.Parallel()
	text, err := mallee.ID{}.MarshalText()
	id := mallee.ID{Type: "P", Key: "1"}
	if err != nil || id.UnmarshalText(text) != nil || id != (mallee.ID{}) {
		t.Errorf("%q, %v, %v", text, id, err)
	}
}

func TestTypeValidate(t *testing.T) {
	t.Parallel()
	iface := mallee.Interface{Name: "X"}
	create := func(*mallee.Self) any { return 1 }
	for want, typ := range map[string]mallee.Type{
		"no name":                  mallee.NewType(mallee.Interface{}, create),
		"no constructor":           mallee.NewType(iface, nil),
		"idle timeout 0s":          mallee.NewType(iface, create, mallee.IdleTimeout(0)),
		"mailbox size -1":          mallee.NewType(iface, create, mallee.MailboxSize(-1)),
		"-1 stateless workers":     mallee.NewType(iface, create, mallee.StatelessWorker(-1)),
		"serves interface X twice": mallee.NewType(iface, create, mallee.Serves(iface)),
	} {
		if err := typ.Validate(); !errors.Is(err, mallee.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	typ := mallee.NewType(iface, create, mallee.StatelessWorker(0))
	if err := typ.Validate(); err != nil || typ.Workers < 1 {
		t.Errorf("%d workers, %v", typ.Workers, err)
	}
}
