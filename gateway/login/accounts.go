package login

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/gateway/account"
	"github.com/mallee-io/mallee/wire/edge"
)

// accountKeys is how many actors of an account type are asked, by random, as
// Koala's gateway does: their keys are "0" to "2047".
const accountKeys = 2048

// NewAccounts is an Authenticator that leaves all to actors of a type that
// serves account.Accounts: they get the client's first message, and nothing has
// been checked. It refuses with
//
//	edge.CodeTooLarge      more than edge.MaxLogin bytes
//	edge.CodeLoginRefused  an error with a code of the actor's own; code and message are the reason
//	edge.CodeUnavailable   the actor cannot answer now
//	edge.CodeNoActor       there is no such actor type, or it answers for no accounts (mallee.ErrNotFound)
func NewAccounts(caller mallee.Caller, actorType string) (Authenticator, error) {
	if caller == nil || actorType == "" {
		return nil, errors.New("login: accounts need a caller and an actor type")
	}
	return accounts{caller, actorType}, nil
}

type accounts struct {
	caller    mallee.Caller
	actorType string
}

func (a accounts) Authenticate(ctx context.Context, r *Request) (Admission, error) {
	if err := checkSize(r); err != nil {
		return Admission{}, err
	}
	return a.ask(ctx, account.Login{Packet: r.Packet})
}

func (a accounts) ask(ctx context.Context, l account.Login) (Admission, error) {
	id := mallee.ID{Type: a.actorType, Key: mallee.IntKey(rand.Int64N(accountKeys))}
	answer, err := account.AccountsAt(a.caller, id).Login(ctx, l)
	if err != nil {
		return Admission{}, failed(id, err)
	}
	if err := answer.Actor.Validate(); err != nil {
		return Admission{}, fmt.Errorf("login: %s admitted user %.64q to no actor: %w", id, l.User, err)
	}
	return Admission{Actor: answer.Actor, User: cmp.Or(answer.User, l.User), Server: l.Server, First: l.Packet}, nil
}

// failed tells a client what concerns it: an error of the actor's own is a
// refusal; one of the way to the actor, or of the actor's state, is not the
// client's fault.
func failed(id mallee.ID, err error) error {
	e := mallee.AsError(err)
	switch e.Code {
	case mallee.CodeNotFound:
		return &Refusal{Code: edge.CodeNoActor, Reason: e.Error()}
	case mallee.CodeUnavailable, mallee.CodeOverloaded, mallee.CodeTimeout, mallee.CodeCanceled,
		mallee.CodeActivation, mallee.CodeFenced, mallee.CodeConflict, mallee.CodeStorage:
		return &Refusal{Code: edge.CodeUnavailable, Reason: "accounts cannot be asked now"}
	case mallee.CodePanic, mallee.CodeCycle:
		return fmt.Errorf("login: ask %s: %w", id, err)
	}
	return &Refusal{Code: edge.CodeLoginRefused, Reason: e.Error()}
}

// checkSize is for carriers that take larger messages than logins may be.
func checkSize(r *Request) error {
	if len(r.Packet) > edge.MaxLogin {
		return &Refusal{Code: edge.CodeTooLarge, Reason: fmt.Sprintf("the login has %d bytes, at most %d are taken", len(r.Packet), edge.MaxLogin)}
	}
	return nil
}
