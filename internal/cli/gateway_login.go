package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/gateway/login"
	"github.com/mallee-io/mallee/internal/config"
	"github.com/mallee-io/mallee/wire/edge"
)

// authenticator is the one that the settings choose.
func authenticator(s config.Gateway, caller mallee.Caller) (a login.Authenticator, err error) {
	if missing := missingOf(s); missing != "" {
		return nil, &usageError{fmt.Errorf("--login %s needs %s", s.Login, missing)}
	}
	switch s.Login {
	case "koala":
		a, err = koalaLogin(s, caller)
	case "jwt":
		a, err = jwtLogin(s)
	case "accounts":
		a, err = login.NewAccounts(caller, s.Accounts)
	case "open":
		a, err = openLogin(s.Actor)
	default:
		err = errors.New("nobody decides on logins; choose koala, jwt, accounts or, for development, open with --login")
	}
	if err != nil {
		return nil, &usageError{err}
	}
	return a, nil
}

// missingOf says which setting the choice of a login needs and has not.
func missingOf(s config.Gateway) string {
	switch {
	case s.Login == "koala" && s.KoalaKeyFile == "":
		return "the key of the checksums: --koala-key-file FILE"
	case s.Login == "koala" && s.Accounts == "" && len(s.QuickConnect) == 0:
		return "the actor type that answers for accounts, or those that clients may name: --accounts TYPE or --quick-connect TYPES"
	case s.Login == "accounts" && s.Accounts == "":
		return "the actor type that answers for accounts: --accounts TYPE"
	case s.Login == "jwt" && s.JWKS == "" && s.JWTKeyFile == "":
		return "the keys that sign tokens: --jwks URL or --jwt-key-file FILE"
	case (s.Login == "jwt" || s.Login == "open") && s.Actor == "":
		return "the actor type that clients are bound to: --actor TYPE"
	}
	return ""
}

func koalaLogin(s config.Gateway, caller mallee.Caller) (login.Authenticator, error) {
	key, err := readSecret("gateway.koala_key_file", s.KoalaKeyFile)
	if err != nil {
		return nil, err
	}
	return login.NewKoala(login.KoalaConfig{
		Key: string(key), Accounts: s.Accounts, Caller: caller, QuickConnect: s.QuickConnect, Window: s.LoginWindow,
	})
}

func jwtLogin(s config.Gateway) (login.Authenticator, error) {
	c := login.JWTConfig{JWKS: s.JWKS, Issuer: s.JWTIssuer, Audience: s.JWTAudience, Actor: s.Actor}
	if s.JWTKeyFile != "" {
		secret, err := readSecret("gateway.jwt_key_file", s.JWTKeyFile)
		if err != nil {
			return nil, err
		}
		c.Secret = secret
	}
	return login.NewJWT(c)
}

// openLogin lets everybody in who says {"name": "…"}.
func openLogin(actorType string) (login.Authenticator, error) {
	if err := (mallee.ID{Type: actorType, Key: "name"}).Validate(); err != nil {
		return nil, fmt.Errorf("--actor %s: %w", actorType, err)
	}
	return login.Func(func(_ context.Context, r *login.Request) (login.Admission, error) {
		var packet struct {
			Name string `json:"name"`
		}
		if err := json.Unmarshal(r.Packet, &packet); err != nil {
			return login.Admission{}, &login.Refusal{Code: edge.CodeLoginInvalid, Reason: `the login is not {"name": "…"}`}
		}
		id := mallee.ID{Type: actorType, Key: packet.Name}
		if err := id.Validate(); err != nil {
			return login.Admission{}, &login.Refusal{Code: edge.CodeLoginInvalid, Reason: err.Error()}
		}
		return login.Admission{Actor: id, User: packet.Name, First: r.Packet}, nil
	}), nil
}
