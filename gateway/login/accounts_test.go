package login_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/gateway/account"
	"github.com/mallee-io/mallee/gateway/login"
	"github.com/mallee-io/mallee/malleetest"
	"github.com/mallee-io/mallee/wire/edge"
)

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// door admits who says please.
type door struct{ key string }

var errBarred = mallee.NewError("game.barred", "barred")

func newDoor(self *mallee.Self) *door { return &door{self.ID().Key} }

func (d *door) Login(_ context.Context, l account.Login) (account.Admission, error) {
	switch string(l.Packet) {
	case "please":
		return account.Admission{Actor: mallee.ID{Type: "Player", Key: d.key}, User: "guest"}, nil
	case "nowhere":
		return account.Admission{}, nil
	case "plain":
		return account.Admission{}, errors.New("without a code")
	case "panic":
		panic("door")
	}
	return account.Admission{}, errBarred.Errorf("barred until Monday")
}

func TestAccounts(t *testing.T) {
	t.Parallel()
	wall := mallee.NewType(mallee.Interface{Name: "Wall"}, func(*mallee.Self) any { return 0 })
	c := malleetest.Start(t, 2, account.AccountsType(newDoor), wall)
	a, err := login.NewAccounts(c.Node(0), "Accounts")
	if err != nil {
		t.Fatal(err)
	}
	admission := admitted(t, a, "please")
	if admission.User != "guest" || string(admission.First) != "please" || strings.TrimLeft(admission.Actor.Key, "0123456789") != "" || len(admission.Actor.Key) > 4 {
		t.Errorf("%+v", admission)
	}
	for packet, reason := range map[string]string{
		"hello": "game.barred: barred until Monday",
		"plain": "unknown: without a code",
	} {
		if refusal := refuses(t, a, packet, edge.CodeLoginRefused); refusal.Reason != reason {
			t.Errorf("%s: %q", packet, refusal.Reason)
		}
	}
	refuses(t, a, strings.Repeat("x", edge.MaxLogin+1), edge.CodeTooLarge)
	for _, packet := range []string{"nowhere", "panic"} {
		var refusal *login.Refusal
		if _, err := a.Authenticate(t.Context(), &login.Request{Packet: []byte(packet)}); err == nil || errors.As(err, &refusal) {
			t.Errorf("%s: %v, want an error that is not the client's", packet, err)
		}
	}
	for _, other := range []string{"Nobody", "Wall"} {
		a, err := login.NewAccounts(c.Node(0), other)
		if err != nil {
			t.Fatal(err)
		}
		refuses(t, a, "please", edge.CodeNoActor)
	}
}

// What is wrong with the way to the actor is not told as the client's fault.
func TestAccountsFailures(t *testing.T) {
	t.Parallel()
	for _, failure := range []error{
		mallee.ErrUnavailable, mallee.ErrOverloaded, mallee.ErrTimeout, mallee.ErrCanceled, mallee.ErrActivation,
		mallee.ErrFenced, mallee.ErrConflict, mallee.ErrStorage, context.DeadlineExceeded,
	} {
		a, err := login.NewAccounts(accountsCaller{func(account.Login) (account.Admission, error) { return account.Admission{}, failure }}, "Door")
		if err != nil {
			t.Fatal(err)
		}
		refuses(t, a, "please", edge.CodeUnavailable)
	}
	if _, err := login.NewAccounts(nil, "Door"); err == nil {
		t.Error("accounts without a caller")
	}
}
