package login

import (
	"cmp"
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/mallee-io/mallee/wire/edge"
)

// Bounds of one fetch.
const (
	maxJWKS     = 1 << 20 // bytes
	jwksTimeout = 10 * time.Second
)

// jwks are the public keys at a URL. They are fetched when a login needs them,
// by one goroutine at a time, which no login's end cancels. What has been
// fetched once is kept while the URL cannot be reached.
type jwks struct {
	url     string
	client  *http.Client
	refresh time.Duration // age at which keys are fetched again
	pause   time.Duration // between fetches
	log     *slog.Logger

	mu      sync.Mutex
	known   []jose.JSONWebKey
	fetched time.Time     // when known were
	tried   time.Time     // when the last fetch began
	err     error         // of the last fetch
	running chan struct{} // closed when the fetch that runs ends; nil: none runs
}

func newJWKS(config *JWTConfig) (*jwks, error) {
	u, err := url.Parse(config.JWKS)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, fmt.Errorf("login: JWKS %q is no URL of http or https", config.JWKS)
	}
	client := *cmp.Or(config.Client, &http.Client{})
	client.CheckRedirect = stay
	return &jwks{
		url:     config.JWKS,
		client:  &client,
		refresh: cmp.Or(config.Refresh, 15*time.Minute),
		pause:   cmp.Or(config.RefreshPause, 30*time.Second),
		log:     cmp.Or(config.Log, slog.Default()),
	}, nil
}

// stay keeps a redirect, which fails for its status: the URL is what was trusted.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func (j *jwks) find(ctx context.Context, h jose.Header) (any, error) {
	key, fetch := j.look(h)
	if key == nil && fetch != nil {
		select {
		case <-fetch:
		case <-ctx.Done():
			return nil, &Refusal{Code: edge.CodeUnavailable, Reason: "the issuer's keys have not come in time"}
		}
		key, _ = j.look(h)
	}
	if key != nil {
		return key, nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err != nil { // the key may be a new one
		return nil, &Refusal{Code: edge.CodeUnavailable, Reason: "the issuer's keys cannot be fetched"}
	}
	return nil, refused("the token's key is not known")
}

// look returns the key that the header names. It starts a fetch if the key is
// not known or keys are old, and returns the end of the one that runs.
func (j *jwks) look(h jose.Header) (key any, fetch <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	key = j.pick(h)
	now := time.Now()
	if (key == nil || now.Sub(j.fetched) >= j.refresh) && j.running == nil && now.Sub(j.tried) >= j.pause {
		j.tried, j.running = now, make(chan struct{})
		go j.fetch()
	}
	return key, j.running
}

// pick returns the key for a header. One that names none means the only key.
// The type of the key has to fit the algorithm, which its user checks.
func (j *jwks) pick(h jose.Header) any {
	for _, k := range j.known {
		if (k.KeyID == h.KeyID || h.KeyID == "" && len(j.known) == 1) && (k.Algorithm == "" || k.Algorithm == h.Algorithm) {
			return k.Key
		}
	}
	return nil
}

func (j *jwks) fetch() {
	known, err := j.get()
	j.mu.Lock()
	defer j.mu.Unlock()
	close(j.running)
	j.running, j.err = nil, err
	if err != nil {
		j.log.Warn("login: keys of tokens cannot be fetched", "url", j.url, "error", err, "kept", len(j.known))
		return
	}
	j.known, j.fetched = known, time.Now()
}

func (j *jwks) get() ([]jose.JSONWebKey, error) {
	ctx, cancel := context.WithTimeout(context.Background(), jwksTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, j.url, nil)
	if err != nil {
		return nil, err
	}
	response, err := j.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %s", response.Status)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxJWKS+1))
	if err != nil {
		return nil, err
	}
	return parseJWKS(body)
}

// parseJWKS leaves out what cannot be read or used, as RFC 7517 wants: kinds of
// keys that are not known, private and shared ones, and those for encryption.
func parseJWKS(body []byte) ([]jose.JSONWebKey, error) {
	if len(body) > maxJWKS {
		return nil, fmt.Errorf("more than %d bytes", maxJWKS)
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, fmt.Errorf("not a set of keys: %w", err)
	}
	var known []jose.JSONWebKey
	for _, raw := range set.Keys {
		var k jose.JSONWebKey
		if json.Unmarshal(raw, &k) == nil && verifies(&k) {
			known = append(known, k)
		}
	}
	if len(known) == 0 {
		return nil, errors.New("no key that can verify tokens")
	}
	return known, nil
}

func verifies(k *jose.JSONWebKey) bool {
	if r, ok := k.Key.(*rsa.PublicKey); ok && r.N.BitLen() < 2048 {
		return false
	}
	return k.Valid() && k.IsPublic() && k.Use != "enc"
}
