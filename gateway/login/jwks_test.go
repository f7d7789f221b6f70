package login_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/mallee-io/mallee/gateway/login"
	"github.com/mallee-io/mallee/wire/edge"
)

// issuer is a server of keys.
type issuer struct {
	mu      sync.Mutex
	set     jose.JSONWebKeySet
	body    io.Reader // instead of the set
	status  int
	err     error
	stuck   bool // until the request ends
	fetches int
}

func (i *issuer) RoundTrip(r *http.Request) (*http.Response, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.fetches++
	if i.stuck {
		i.mu.Unlock()
		<-r.Context().Done()
		i.mu.Lock()
		return nil, r.Context().Err()
	}
	if i.err != nil {
		return nil, i.err
	}
	body := i.body
	if body == nil {
		text, err := json.Marshal(i.set)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	return &http.Response{StatusCode: max(i.status, 200), Body: io.NopCloser(body), Header: http.Header{"Location": {"https://elsewhere.example"}}, Request: r}, nil
}

func (i *issuer) change(f func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	f()
}

func (i *issuer) fetched(t *testing.T, want int) {
	t.Helper()
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.fetches != want {
		t.Errorf("%d fetches, want %d", i.fetches, want)
	}
}

func (i *issuer) jwt(t testing.TB) login.Authenticator {
	return newJWT(t, login.JWTConfig{
		JWKS:   "https://id.example/keys",
		Client: &http.Client{Transport: i},
		Log:    slog.New(slog.DiscardHandler),
	})
}

// public is the JWK of a private key.
func public(key crypto.Signer, kid string) jose.JSONWebKey {
	return jose.JSONWebKey{Key: key.Public(), KeyID: kid, Use: "sig"}
}

func newEd25519(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newRSA(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newECDSA(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestJWKSAlgorithms(t *testing.T) {
	t.Parallel()
	ed, rs, p256, p384, p521 := newEd25519(t), newRSA(t), newECDSA(t, elliptic.P256()), newECDSA(t, elliptic.P384()), newECDSA(t, elliptic.P521())
	pss := public(rs, "pss")
	pss.Algorithm = "PS256"
	encryption := public(rs, "encryption")
	encryption.Use = "enc"
	i := &issuer{set: jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
		public(ed, "ed"), public(rs, "rs"), pss, public(p256, "p256"), public(p384, "p384"), public(p521, "p521"), encryption,
		{Key: secret, KeyID: "shared"}, {Key: ed, KeyID: "private"},
	}}}
	a := i.jwt(t)
	for _, good := range []struct {
		algorithm jose.SignatureAlgorithm
		key       any
		kid       string
	}{
		{jose.EdDSA, ed, "ed"},
		{jose.RS256, rs, "rs"}, {jose.RS384, rs, "rs"}, {jose.RS512, rs, "rs"},
		{jose.PS256, rs, "rs"}, {jose.PS384, rs, "rs"}, {jose.PS512, rs, "rs"}, {jose.PS256, rs, "pss"},
		{jose.ES256, p256, "p256"}, {jose.ES384, p384, "p384"}, {jose.ES512, p521, "p521"},
	} {
		admitted(t, a, token(t, good.algorithm, good.key, good.kid, valid()))
	}

	der, err := x509.MarshalPKIXPublicKey(rs.Public())
	if err != nil {
		t.Fatal(err)
	}
	published := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	for name, bad := range map[string]struct {
		token string
		code  edge.Code
	}{
		"the public key as a secret":      {token(t, jose.HS256, published, "rs", valid()), edge.CodeLoginInvalid},
		"the public key's DER":            {token(t, jose.HS256, der, "rs", valid()), edge.CodeLoginInvalid},
		"a shared key in the set":         {token(t, jose.HS256, secret, "shared", valid()), edge.CodeLoginInvalid},
		"another algorithm than the key":  {token(t, jose.RS256, rs, "pss", valid()), edge.CodeLoginRefused},
		"another type than the key":       {token(t, jose.EdDSA, ed, "rs", valid()), edge.CodeLoginRefused},
		"another curve than the key":      {token(t, jose.ES256, p256, "p384", valid()), edge.CodeLoginRefused},
		"another key":                     {token(t, jose.ES256, newECDSA(t, elliptic.P256()), "p256", valid()), edge.CodeLoginRefused},
		"a key for encryption":            {token(t, jose.RS256, rs, "encryption", valid()), edge.CodeLoginRefused},
		"a private key that is published": {token(t, jose.EdDSA, ed, "private", valid()), edge.CodeLoginRefused},
		"an unknown key":                  {token(t, jose.EdDSA, ed, "x", valid()), edge.CodeLoginRefused},
		"no key named of many":            {token(t, jose.EdDSA, ed, "", valid()), edge.CodeLoginRefused},
	} {
		t.Run(name, func(t *testing.T) { refuses(t, a, bad.token, bad.code) })
	}
	i.fetched(t, 1)

	single := (&issuer{set: jose.JSONWebKeySet{Keys: []jose.JSONWebKey{public(ed, "ed")}}}).jwt(t)
	admitted(t, single, token(t, jose.EdDSA, ed, "", valid()))
}

// A key that is embedded in the token says nothing.
func TestJWKSEmbeddedKey(t *testing.T) {
	t.Parallel()
	i := &issuer{set: jose.JSONWebKeySet{Keys: []jose.JSONWebKey{public(newEd25519(t), "ed")}}}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: jose.JSONWebKey{Key: newEd25519(t), KeyID: "ed"}}, &jose.SignerOptions{EmbedJWK: true})
	if err != nil {
		t.Fatal(err)
	}
	payload, _ := json.Marshal(valid())
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := signed.CompactSerialize()
	refuses(t, i.jwt(t), text, edge.CodeLoginRefused)
}

func TestJWKSRotation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		former, later := newEd25519(t), newEd25519(t)
		i := &issuer{set: jose.JSONWebKeySet{Keys: []jose.JSONWebKey{public(former, "1")}}}
		a := i.jwt(t)
		login := func(key ed25519.PrivateKey, kid string) string { return token(t, jose.EdDSA, key, kid, valid()) }
		admitted(t, a, login(former, "1"))
		admitted(t, a, login(former, "1"))
		i.fetched(t, 1)

		// Unknown keys make it fetch, but not more often than the pause allows.
		i.change(func() { i.set.Keys = append(i.set.Keys, public(later, "2")) })
		for range 100 {
			refuses(t, a, login(later, "2"), edge.CodeLoginRefused)
		}
		i.fetched(t, 1)
		time.Sleep(30 * time.Second)
		admitted(t, a, login(later, "2"))
		refuses(t, a, login(later, "3"), edge.CodeLoginRefused)
		i.fetched(t, 2)

		// Old keys go on while the URL is down; a new one may be right.
		i.change(func() { i.err = errors.New("down") })
		time.Sleep(time.Hour)
		admitted(t, a, login(former, "1"))
		synctest.Wait()
		i.fetched(t, 3)
		admitted(t, a, login(former, "1"))
		refuses(t, a, login(former, "3"), edge.CodeUnavailable)
		i.fetched(t, 3)

		// Keys that were withdrawn are forgotten with the next fetch.
		i.change(func() { i.err, i.set.Keys = nil, i.set.Keys[1:] })
		time.Sleep(30 * time.Second)
		admitted(t, a, login(former, "1")) // while that goes on
		synctest.Wait()
		refuses(t, a, login(former, "1"), edge.CodeLoginRefused)
		admitted(t, a, login(later, "2"))
		i.fetched(t, 4)
	})
}

func TestJWKSUnavailable(t *testing.T) {
	t.Parallel()
	key := newEd25519(t)
	weak := []byte(`{"keys":[{"kty":"RSA","n":"` + strings.Repeat("A", 10) + `8","e":"AQAB"},{"kty":"new"},7]}`)
	for name, i := range map[string]*issuer{
		"down":      {err: errors.New("down")},
		"status":    {status: http.StatusNotFound},
		"redirect":  {status: http.StatusFound},
		"oversized": {body: strings.NewReader(`{"keys":[]}` + strings.Repeat(" ", 1<<20))},
		"endless":   {body: endless{}},
		"not JSON":  {body: strings.NewReader(`<html>`)},
		"no keys":   {body: strings.NewReader(`{}`)},
		"weak keys": {body: bytes.NewReader(weak)},
		"too slow":  {stuck: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				refuses(t, i.jwt(t), token(t, jose.EdDSA, key, "1", valid()), edge.CodeUnavailable)
				i.fetched(t, 1)
			})
		})
	}
}

// A login that ends does not end the fetch that others wait for.
func TestJWKSManyWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{stuck: true}
		a := i.jwt(t)
		packet := []byte(token(t, jose.EdDSA, newEd25519(t), "1", valid()))
		begin := time.Now()
		var all sync.WaitGroup
		for n := range 10 {
			all.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(n+1)*time.Second)
				defer cancel()
				var refusal *login.Refusal
				if _, err := a.Authenticate(ctx, &login.Request{Packet: packet}); !errors.As(err, &refusal) || refusal.Code != edge.CodeUnavailable {
					t.Errorf("%v", err)
				}
			})
		}
		all.Wait()
		if waited := time.Since(begin); waited != 10*time.Second {
			t.Errorf("waited for %s", waited)
		}
		synctest.Wait()
		i.fetched(t, 1)
	})
}

// endless is a body without an end.
type endless struct{}

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	return len(b), nil
}

// Keys are read from a URL: whatever stands there, nothing panics, and only
// keys that verify are used.
func FuzzJWKS(f *testing.F) {
	key := newEd25519(f)
	body, _ := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{public(key, "1"), public(newECDSA(f, elliptic.P256()), "2")}})
	f.Add(body)
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"","e":""},{"kty":"EC","crv":"P-256","x":"","y":""},{"kty":"oct","k":"AA"}]}`))
	text := token(f, jose.EdDSA, key, "1", valid())
	f.Fuzz(func(t *testing.T, body []byte) {
		a := (&issuer{body: bytes.NewReader(body)}).jwt(t)
		_, err := a.Authenticate(t.Context(), &login.Request{Packet: []byte(text)})
		var refusal *login.Refusal
		if err != nil && !errors.As(err, &refusal) {
			t.Fatal(err)
		}
	})
}
