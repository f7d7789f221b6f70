package login_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/gateway/login"
	"github.com/mallee-io/mallee/wire/edge"
)

var secret = []byte("a secret of sixty-four bytes, which is as long as HS512 needs it")

type claims map[string]any

// with replaces claims; nil removes one.
func (c claims) with(name string, value any) claims {
	other := maps.Clone(c)
	other[name] = value
	if value == nil {
		delete(other, name)
	}
	return other
}

// valid are claims that every test's configuration admits for an hour.
func valid() claims {
	return claims{"iss": "https://id.example", "aud": []string{"game", "shop"}, "sub": "ann", "exp": time.Now().Add(time.Hour).Unix(), "jti": "1"}
}

func token(t testing.TB, algorithm jose.SignatureAlgorithm, key any, kid string, c any) string {
	t.Helper()
	options := new(jose.SignerOptions)
	if kid != "" {
		options.WithHeader("kid", kid)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	payload, ok := c.([]byte)
	if !ok {
		if payload, err = json.Marshal(c); err != nil {
			t.Fatal(err)
		}
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func newJWT(t testing.TB, config login.JWTConfig) login.Authenticator {
	t.Helper()
	if config.JWKS == "" && config.Secret == nil {
		config.Secret = secret
	}
	if config.Actor == "" {
		config.Actor = "Player"
	}
	a, err := login.NewJWT(config)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestJWTAdmission(t *testing.T) {
	t.Parallel()
	player := newJWT(t, login.JWTConfig{Issuer: "https://id.example", Audience: []string{"chat", "game"}})
	for _, algorithm := range []jose.SignatureAlgorithm{jose.HS256, jose.HS384, jose.HS512} {
		text := token(t, algorithm, secret, "", valid())
		for _, packet := range []string{text, " " + text + "\n", `"` + text + `"`, `{"token":"` + text + `"}`} {
			a := admitted(t, player, packet)
			if a.Actor != (mallee.ID{Type: "Player", Key: "ann"}) || a.User != "ann" || string(a.First) != packet {
				t.Errorf("%s: %+v", packet, a)
			}
		}
	}
	seat := newJWT(t, login.JWTConfig{Actor: "Seat/{table}-{n}/x", User: "n"})
	a := admitted(t, seat, token(t, jose.HS256, secret, "", []byte(`{"table":"a/b","n":12345678901234567890,"exp":9e9}`)))
	if a.Actor != (mallee.ID{Type: "Seat", Key: "a/b-12345678901234567890/x"}) || a.User != "12345678901234567890" {
		t.Errorf("%+v", a)
	}
}

func TestJWTBadLogins(t *testing.T) {
	t.Parallel()
	a := newJWT(t, login.JWTConfig{Secret: secret[:32], Issuer: "https://id.example", Audience: []string{"game"}, Actor: "Player/{sub}"})
	now := time.Now()
	sign := func(c any) string { return token(t, jose.HS256, secret[:32], "", c) }
	parts := strings.Split(sign(valid()), ".")
	part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	_, key, _ := ed25519.GenerateKey(rand.Reader)
	for name, bad := range map[string]struct {
		packet string
		code   edge.Code
	}{
		"empty":              {"", edge.CodeLoginInvalid},
		"no token":           {`{"open_id":"a"}`, edge.CodeLoginInvalid},
		"token a list":       {`{"token":["a"]}`, edge.CodeLoginInvalid},
		"not UTF-8":          {"\"\xff\"", edge.CodeLoginInvalid},
		"two parts":          {parts[0] + "." + parts[1], edge.CodeLoginInvalid},
		"four parts":         {strings.Join(parts, ".") + ".x", edge.CodeLoginInvalid},
		"oversized":          {strings.Repeat("a", edge.MaxLogin+1), edge.CodeTooLarge},
		"alg none":           {part(`{"alg":"none"}`) + "." + parts[1] + ".", edge.CodeLoginInvalid},
		"alg None":           {part(`{"alg":"None"}`) + "." + parts[1] + "." + parts[2], edge.CodeLoginInvalid},
		"alg twice":          {part(`{"alg":"HS256","alg":"none"}`) + "." + parts[1] + "." + parts[2], edge.CodeLoginInvalid},
		"unknown crit":       {part(`{"alg":"HS256","crit":["x"],"x":1}`) + "." + parts[1] + "." + parts[2], edge.CodeLoginInvalid},
		"deep header":        {part(`{"alg":"HS256","x":`+strings.Repeat("[", 5000)+strings.Repeat("]", 5000)+`}`) + "." + parts[1] + "." + parts[2], edge.CodeLoginRefused},
		"public algorithm":   {token(t, jose.EdDSA, key, "", valid()), edge.CodeLoginInvalid},
		"secret too short":   {token(t, jose.HS512, secret, "", valid()), edge.CodeLoginInvalid},
		"wrong secret":       {token(t, jose.HS256, secret[32:], "", valid()), edge.CodeLoginRefused},
		"changed claims":     {parts[0] + "." + part(`{"sub":"bob","exp":9e9}`) + "." + parts[2], edge.CodeLoginRefused},
		"no signature":       {parts[0] + "." + parts[1] + ".", edge.CodeLoginRefused},
		"claims a list":      {sign([]byte(`[]`)), edge.CodeLoginInvalid},
		"claims not JSON":    {sign([]byte(`{`)), edge.CodeLoginInvalid},
		"no expiry":          {sign(valid().with("exp", nil)), edge.CodeLoginInvalid},
		"expiry a word":      {sign(valid().with("exp", "soon")), edge.CodeLoginInvalid},
		"expiry huge":        {sign([]byte(`{"exp":1e300}`)), edge.CodeLoginInvalid},
		"expired":            {sign(valid().with("exp", now.Add(-time.Minute).Unix())), edge.CodeLoginExpired},
		"not yet":            {sign(valid().with("nbf", now.Add(time.Minute).Unix())), edge.CodeLoginExpired},
		"issued in future":   {sign(valid().with("iat", now.Add(time.Minute).Unix())), edge.CodeLoginExpired},
		"wrong issuer":       {sign(valid().with("iss", "https://evil.example")), edge.CodeLoginRefused},
		"no issuer":          {sign(valid().with("iss", nil)), edge.CodeLoginRefused},
		"wrong audience":     {sign(valid().with("aud", "shop")), edge.CodeLoginRefused},
		"no audience":        {sign(valid().with("aud", nil)), edge.CodeLoginRefused},
		"no user":            {sign(valid().with("sub", nil)), edge.CodeLoginInvalid},
		"empty user":         {sign(valid().with("sub", "")), edge.CodeLoginInvalid},
		"user a number":      {sign(valid().with("sub", 1)), edge.CodeLoginInvalid},
		"user's key is long": {sign(valid().with("sub", strings.Repeat("a", 1025))), edge.CodeLoginInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refuses(t, a, bad.packet, bad.code)
		})
	}
}

func TestJWTOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := newJWT(t, login.JWTConfig{Once: true, Remembered: 2, Leeway: -1})
		sign := func(id any) string { return token(t, jose.HS256, secret, "", valid().with("jti", id)) }
		refuses(t, a, sign(nil), edge.CodeLoginInvalid)
		first := sign("1")
		admitted(t, a, first)
		refuses(t, a, `"`+first+`"`, edge.CodeLoginReplayed)
		admitted(t, a, sign("2"))
		refuses(t, a, sign("3"), edge.CodeOverloaded)
		time.Sleep(time.Hour + time.Second)
		refuses(t, a, first, edge.CodeLoginExpired)
		admitted(t, a, sign("3"))

		// One that is valid for ever is remembered for ever.
		eternal := token(t, jose.HS256, secret, "", []byte(`{"exp":1e18,"sub":"ann","jti":"4"}`))
		admitted(t, a, eternal)
		time.Sleep(1000 * time.Hour)
		refuses(t, a, eternal, edge.CodeLoginReplayed)
	})
}

func TestJWTConfig(t *testing.T) {
	t.Parallel()
	for want, config := range map[string]login.JWTConfig{
		"either Secret or JWKS":     {Actor: "P"},
		"either Secret or JWKS set": {Actor: "P", Secret: secret, JWKS: "https://id.example"},
		"31 bytes":                  {Actor: "P", Secret: secret[:31]},
		"no URL of http":            {Actor: "P", JWKS: "file:///etc/passwd"},
		`Actor ""`:                  {Secret: secret},
		`Actor "P/"`:                {Secret: secret, Actor: "P/"},
		`Actor "{t}/{sub}"`:         {Secret: secret, Actor: "{t}/{sub}"},
		`Actor "P/{sub"`:            {Secret: secret, Actor: "P/{sub"},
		`Actor "P/sub}"`:            {Secret: secret, Actor: "P/sub}"},
		`Actor "P/{}"`:              {Secret: secret, Actor: "P/{}"},
	} {
		if _, err := login.NewJWT(config); err == nil || !strings.Contains(err.Error(), strings.TrimSuffix(want, " set")) {
			t.Errorf("%q: %v", want, err)
		}
	}
}

func FuzzJWT(f *testing.F) {
	for _, c := range []any{valid(), valid().with("exp", -1), []byte(`{"exp":9e9,"sub":"\ud800"}`), []byte(`{"exp":9e9,"sub":7}`)} {
		f.Add([]byte(token(f, jose.HS256, secret, "k", c)))
	}
	f.Add([]byte(`{"token":"a.b.c"}`))
	a := newJWT(f, login.JWTConfig{})
	f.Fuzz(func(t *testing.T, packet []byte) {
		admission, err := a.Authenticate(t.Context(), &login.Request{Packet: packet})
		var refusal *login.Refusal
		if err != nil && !errors.As(err, &refusal) {
			t.Fatal(err)
		}
		// Whoever is admitted has been signed with the secret.
		if err == nil && (admission.User != "ann" && admission.User != "7" || admission.Actor.Validate() != nil) {
			t.Errorf("%q admitted as %+v", packet, admission)
		}
	})
}

// FuzzJWTClaims reads claims of an issuer that is trusted but careless.
func FuzzJWTClaims(f *testing.F) {
	f.Add([]byte(`{"exp":9e9,"sub":"ann"}`))
	f.Add([]byte(`{"exp":1e18,"sub":"","aud":[1],"nbf":-1e18}`))
	f.Add([]byte(`{"exp":9e9,"sub":-0}`))
	a := newJWT(f, login.JWTConfig{Actor: "Player/{sub}{sub}"})
	f.Fuzz(func(t *testing.T, payload []byte) {
		admission, err := a.Authenticate(t.Context(), &login.Request{Packet: []byte(token(t, jose.HS256, secret, "", payload))})
		var refusal *login.Refusal
		if err != nil && !errors.As(err, &refusal) {
			t.Fatal(err)
		}
		if err == nil && (admission.User == "" || admission.Actor.Key != admission.User+admission.User) {
			t.Errorf("%s admitted as %+v", payload, admission)
		}
	})
}
