package login

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/mallee-io/mallee/wire/edge"
)

// JWTConfig says which signed tokens (RFC 7519) let a client in, and to which
// actor. The client's first message is the token, or a JSON object that has it
// as "token".
type JWTConfig struct {
	// Secret is the key that issuers share with gateways. Its length decides
	// which algorithms are taken: from 32 bytes HS256, from 48 HS384 too, from
	// 64 HS512 too. Either Secret or JWKS is set.
	Secret []byte
	// JWKS is the URL of the issuer's public keys (RFC 7517). Algorithms taken
	// are EdDSA, and RS, PS and ES with 256, 384 and 512. Redirects are not
	// followed. Use https: who can change the answer can log in.
	JWKS string
	// Client fetches JWKS, within 10 s and 1 MiB. Defaults to a new one.
	Client *http.Client
	// Refresh is how old fetched keys become before they are fetched again,
	// while logins go on with the old ones. If that fails they stay.
	// Defaults to 15 min.
	Refresh time.Duration
	// RefreshPause is the least time between two fetches, whatever tokens say.
	// Defaults to 30 s.
	RefreshPause time.Duration

	// Issuer is what the claim iss has to be. Empty: anything.
	Issuer string
	// Audience are values of which one has to be in the claim aud. Empty:
	// anything, so that a token for another service of the issuer is good too.
	Audience []string
	// Leeway is how far clocks may be apart. Defaults to 30 s; below 0: none.
	Leeway time.Duration

	// Actor is what sessions are bound to: a type, a slash, and a key in which
	// {name} stands for a claim that is a string or an integer, such as
	// "Player/{sub}". A type alone has {sub} as its key.
	Actor string
	// User is the claim that says who the user is. Defaults to sub.
	User string
	// Once takes each token once in this process, by its claim jti, which it
	// has to have. Another gateway takes it once too.
	Once bool
	// Remembered is for Once what it is in KoalaConfig. Defaults to 1,000,000.
	Remembered int

	// Log gets failures of fetching JWKS. Defaults to slog.Default.
	Log *slog.Logger
}

// keys knows who can have signed tokens.
type keys interface {
	// find returns the key that a header names, or a *Refusal.
	find(ctx context.Context, h jose.Header) (any, error)
}

type tokens struct {
	config     JWTConfig
	actor      template
	algorithms []jose.SignatureAlgorithm
	keys       keys
	used       used
}

// NewJWT is an Authenticator for signed tokens, which must have an expiry. The
// algorithms of shared and of public keys are never taken together, so that a
// public key cannot serve as a secret. It refuses with
//
//	edge.CodeTooLarge       more than edge.MaxLogin bytes
//	edge.CodeLoginInvalid   not a token, another algorithm, or a claim is missing
//	edge.CodeLoginRefused   signature, key, issuer or audience are wrong
//	edge.CodeLoginExpired   too late, or too early
//	edge.CodeLoginReplayed  used before, with Once
//	edge.CodeUnavailable    the issuer's keys cannot be fetched
func NewJWT(config JWTConfig) (Authenticator, error) {
	config.User = cmp.Or(config.User, "sub")
	config.Leeway = max(0, cmp.Or(config.Leeway, 30*time.Second))
	t := &tokens{config: config, used: used{most: config.Remembered}}
	var err error
	if t.actor, err = parseTemplate(config.Actor); err != nil {
		return nil, err
	}
	switch {
	case (config.JWKS == "") == (len(config.Secret) == 0):
		return nil, errors.New("login: a JWT needs either Secret or JWKS")
	case config.JWKS != "":
		t.algorithms = []jose.SignatureAlgorithm{
			jose.EdDSA, jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512,
		}
		t.keys, err = newJWKS(&config)
	case len(config.Secret) < 32:
		return nil, fmt.Errorf("login: Secret has %d bytes; a shorter one than 32 can be guessed", len(config.Secret))
	default:
		t.keys = secret(config.Secret)
		for size, algorithm := range map[int]jose.SignatureAlgorithm{32: jose.HS256, 48: jose.HS384, 64: jose.HS512} {
			if len(config.Secret) >= size {
				t.algorithms = append(t.algorithms, algorithm)
			}
		}
	}
	return t, err
}

// secret is the one key of all tokens.
type secret []byte

func (s secret) find(context.Context, jose.Header) (any, error) { return []byte(s), nil }

func (t *tokens) Authenticate(ctx context.Context, r *Request) (Admission, error) {
	if err := checkSize(r); err != nil {
		return Admission{}, err
	}
	text, err := tokenOf(r.Packet)
	if err != nil {
		return Admission{}, invalid(err)
	}
	token, err := jwt.ParseSigned(text, t.algorithms)
	if err != nil {
		return Admission{}, invalid(fmt.Errorf("the login is no token that is signed by any of %v", t.algorithms))
	}
	key, err := t.keys.find(ctx, token.Headers[0])
	if err != nil {
		return Admission{}, err
	}
	var standard jwt.Claims
	var claims packet
	if err := token.Claims(key, &standard, &claims); errors.Is(err, jose.ErrCryptoFailure) {
		return Admission{}, refused("the token's signature is wrong")
	} else if err != nil {
		return Admission{}, invalid(errors.New("the token's claims cannot be read"))
	}
	if err := t.check(standard); err != nil {
		return Admission{}, err
	}
	return t.admit(r, standard, claims)
}

// check looks at the standard claims of a token whose signature is right.
func (t *tokens) check(c jwt.Claims) error {
	if c.Expiry == nil {
		return invalid(errors.New("exp is missing"))
	}
	err := c.ValidateWithLeeway(jwt.Expected{Issuer: t.config.Issuer, AnyAudience: t.config.Audience}, t.config.Leeway)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, jwt.ErrInvalidIssuer):
		return refused("the token is of another issuer")
	case errors.Is(err, jwt.ErrInvalidAudience):
		return refused("the token is for others")
	case errors.Is(err, jwt.ErrExpired):
		return &Refusal{Code: edge.CodeLoginExpired, Reason: "the token has expired"}
	}
	return &Refusal{Code: edge.CodeLoginExpired, Reason: "the token is not valid yet"}
}

func (t *tokens) admit(r *Request, c jwt.Claims, claims packet) (Admission, error) {
	user, err := claims.word(t.config.User)
	if err == nil && user == "" {
		err = fmt.Errorf("%s is empty", t.config.User)
	}
	if err != nil {
		return Admission{}, invalid(err)
	}
	actor, err := t.actor.fill(claims)
	if err != nil {
		return Admission{}, invalid(err)
	}
	if t.config.Once {
		if c.ID == "" {
			return Admission{}, invalid(errors.New("jti is missing"))
		}
		until := c.Expiry.Time().Add(t.config.Leeway)
		if err := t.used.use(markOf(c.Issuer+"\x00"+c.ID), until, time.Now()); err != nil {
			return Admission{}, err
		}
	}
	return Admission{Actor: actor, User: user, First: r.Packet}, nil
}

// tokenOf finds the token in a first message: as it is, as a JSON string, or as
// "token" of a JSON object.
func tokenOf(message []byte) (string, error) {
	message = bytes.TrimSpace(message)
	switch {
	case bytes.HasPrefix(message, []byte(`"`)):
		return unquote(message)
	case bytes.HasPrefix(message, []byte("{")):
		p, err := parsePacket(message)
		if err != nil {
			return "", err
		}
		return p.word("token")
	}
	return string(message), nil
}

func invalid(err error) error {
	return &Refusal{Code: edge.CodeLoginInvalid, Reason: err.Error()}
}

func refused(reason string) error {
	return &Refusal{Code: edge.CodeLoginRefused, Reason: reason}
}
