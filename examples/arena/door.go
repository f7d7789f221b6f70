package arena

import (
	"context"
	"encoding/json"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/gateway/account"
)

// AccountsActor is the actor type that a gateway asks who a client is.
const AccountsActor = "Accounts"

// doorIdle is short since there are many doors, and they hold nothing.
const doorIdle = time.Minute

func doorType() mallee.Type {
	return account.AccountsType(func(*mallee.Self) account.Accounts { return door{} }, mallee.IdleTimeout(doorIdle))
}

// Login is the client's first message.
type Login struct {
	Name string `json:"name"`
}

// pilotActor is the actor type that clients are bound to.
const pilotActor = "Pilot"

// longestPilot bounds a name, in characters.
const longestPilot = 16

// door lets everybody in who has a name: they are the pilot of that name.
type door struct{}

func (door) Login(_ context.Context, l account.Login) (account.Admission, error) {
	var login Login
	if err := json.Unmarshal(l.Packet, &login); err != nil {
		return account.Admission{}, ErrInput.Errorf("a login is a JSON object with a name")
	}
	if n := utf8.RuneCountInString(login.Name); n == 0 || n > longestPilot {
		return account.Admission{}, ErrInput.Errorf("a name has 1 to %d characters", longestPilot)
	}
	for _, r := range login.Name {
		if !unicode.IsPrint(r) {
			return account.Admission{}, ErrInput.Errorf("a name has no character %U", r)
		}
	}
	return account.Admission{Actor: mallee.ID{Type: pilotActor, Key: login.Name}, User: login.Name}, nil
}
