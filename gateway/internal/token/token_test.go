package token_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/gateway/internal/token"
)

var (
	first, second = []byte("the first secret of the cluster"), []byte("the second secret of the cluster")
	noon          = time.Unix(1_700_000_000, 0)
)

func example() token.Token {
	return token.Token{
		Session: 20000000007, At: 30000000001, Epoch: 1<<63 + 5, Server: -3,
		Actor: mallee.ID{Type: "Player", Key: "ann/1"}, User: "ann", Expires: noon.Add(time.Minute),
	}
}

func seal(t testing.TB, secrets ...[]byte) *token.Seal {
	s, err := token.NewSeal(secrets...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func text(t testing.TB, s *token.Seal, of token.Token) string {
	out, err := s.Seal(&of)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestToken(t *testing.T) {
	t.Parallel()
	s := seal(t, first)
	sealed := text(t, s, example())
	if got, err := s.Open(sealed, noon); err != nil || got != example() {
		t.Fatalf("got %+v, %v", got, err)
	}
	if text(t, s, example()) == sealed {
		t.Error("two tokens have one nonce")
	}
	if got, err := s.Open(sealed, noon.Add(time.Minute)); !errors.Is(err, token.ErrExpired) || got != example() {
		t.Errorf("after its time: %+v, %v", got, err)
	}
	if len(sealed) > 150 {
		t.Errorf("a token has %d bytes", len(sealed))
	}
}

func TestSecretsAreChangedInSteps(t *testing.T) {
	t.Parallel()
	old, adds, turns, changed := seal(t, first), seal(t, first, second), seal(t, second, first), seal(t, second)
	for _, c := range []struct {
		name   string
		by, at *token.Seal
		opens  bool
	}{
		{"added, not used", adds, old, true},
		{"turned", turns, adds, true},
		{"of before", old, turns, true},
		{"taken away", turns, changed, true},
		{"too early", turns, old, false},
		{"too late", old, changed, false},
	} {
		if _, err := c.at.Open(text(t, c.by, example()), noon); (err == nil) != c.opens {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestEveryBitCounts(t *testing.T) {
	t.Parallel()
	s := seal(t, first)
	sealed, err := base64.RawURLEncoding.DecodeString(text(t, s, example()))
	if err != nil {
		t.Fatal(err)
	}
	for i := range sealed {
		for bit := range 8 {
			sealed[i] ^= 1 << bit
			if _, err := s.Open(base64.RawURLEncoding.EncodeToString(sealed), noon); err == nil {
				t.Fatalf("bit %d of byte %d does not count", bit, i)
			}
			sealed[i] ^= 1 << bit
		}
	}
	for n := range sealed {
		if _, err := s.Open(base64.RawURLEncoding.EncodeToString(sealed[:n]), noon); err == nil {
			t.Fatalf("%d bytes are enough", n)
		}
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	s := seal(t, first)
	long := example()
	long.User = strings.Repeat("x", token.MaxLength)
	if _, err := s.Seal(&long); err == nil {
		t.Error("a token has no bound")
	}
	if _, err := s.Open(strings.Repeat("A", token.MaxLength+1), noon); err == nil {
		t.Error("a text that is too long was read")
	}
	if _, err := token.NewSeal(); err == nil {
		t.Error("no secret is enough")
	}
	if _, err := token.NewSeal([]byte("short")); err == nil {
		t.Error("a short secret is enough")
	}
}

func FuzzOpen(f *testing.F) {
	s := seal(f, first, second)
	f.Add(text(f, s, example()))
	f.Add("")
	f.Add("AQ")
	f.Fuzz(func(t *testing.T, in string) {
		if got, err := s.Open(in, noon); err == nil {
			if again, err := s.Open(text(t, s, got), noon); err != nil || again != got {
				t.Errorf("%+v became %+v, %v", got, again, err)
			}
		}
	})
}

// What stands in a seal comes from whoever has the secret, and is parsed with
// care nevertheless.
func FuzzFields(f *testing.F) {
	f.Add(token.Fields(example()))
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := token.ParseFields(in)
		if err != nil {
			return
		}
		if again, err := token.ParseFields(token.Fields(got)); err != nil || again != got {
			t.Errorf("%+v became %+v, %v", got, again, err)
		}
	})
}
