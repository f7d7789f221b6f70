package koalahttp

import (
	"context"
	"net/http"
	"strconv"

	"github.com/mallee-io/mallee"
)

// Bounds of how many IDs of a sequence a process reserves at once. The upper
// one keeps a client from using a sequence up.
const (
	minStep   = 100
	maxStep   = 1_000_000
	tokenStep = 1000
)

type versionAnswer struct {
	Version string `json:"version"`
}

type idAnswer struct {
	ID int64 `json:"id"`
}

func (a *api) version(http.ResponseWriter, *http.Request) (any, error) {
	return versionAnswer{Version: "0.1"}, nil
}

// The routes of IDs leave the body alone: C# gateways post something else there.

func (a *api) newServerID(_ http.ResponseWriter, r *http.Request) (any, error) {
	id, err := patiently(r.Context(), a.cluster.NextID)
	return idAnswer{id}, err
}

func (a *api) newSequence(_ http.ResponseWriter, r *http.Request) (any, error) {
	key := r.PathValue("key")
	if len(key) > mallee.MaxKeyLength {
		return nil, refuse("sequence_key has %d bytes, at most %d are allowed", len(key), mallee.MaxKeyLength)
	}
	step, err := strconv.ParseInt(r.PathValue("step"), 10, 64)
	if err != nil {
		return nil, refuse("%v", err)
	}
	return a.nextOf(r, "sequence/"+key, min(max(step, minStep), maxStep))
}

func (a *api) newToken(_ http.ResponseWriter, r *http.Request) (any, error) {
	return a.nextOf(r, "token", tokenStep)
}

func (a *api) nextOf(r *http.Request, key string, step int64) (any, error) {
	id, err := patiently(r.Context(), func(ctx context.Context) (int64, error) {
		return a.cluster.Sequence(ctx, key, step)
	})
	return idAnswer{id}, err
}
