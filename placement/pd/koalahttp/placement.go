package koalahttp

import (
	"context"
	"net/http"

	"github.com/mallee-io/mallee"
)

const findPositionPath = Prefix + "/placement/find_position"

type findRequest struct {
	ActorType string `json:"actor_type"`
	ActorID   string `json:"actor_id"`
	// TTL is sent back and means nothing else: Koala's hosts and gateways send
	// 0. Every position is bound to its member, and ends with it.
	TTL int64 `json:"ttl"`
}

func (f findRequest) validate() error {
	if f.ActorType == "" || f.ActorID == "" {
		return refuse("args error")
	}
	return mallee.ID{Type: f.ActorType, Key: f.ActorID}.Validate()
}

type findAnswer struct {
	ActorID       string `json:"actor_id"`
	ActorType     string `json:"actor_type"`
	TTL           int64  `json:"ttl"`
	CreateTime    int64  `json:"create_time"`
	ServerID      int64  `json:"server_id"`
	ServerAddress string `json:"server_address"`
}

// findPosition asks the leader, wherever it is. Clients follow no redirects,
// and wait while there is no leader.
func (a *api) findPosition(w http.ResponseWriter, r *http.Request) (any, error) {
	var request findRequest
	if err := readJSON(w, r, &request); err != nil {
		return nil, err
	}
	if err := request.validate(); err != nil {
		return nil, err
	}
	return patiently(r.Context(), func(ctx context.Context) (findAnswer, error) {
		here, leader, err := a.cluster.Leader(ctx)
		switch {
		case err == nil && here:
			return a.position(ctx, request)
		case r.Header.Get(forwardedHeader) != "":
			return findAnswer{}, errMisdirected()
		case err != nil:
			return findAnswer{}, err
		}
		return a.forward(ctx, leader, request)
	})
}

func (a *api) position(ctx context.Context, request findRequest) (findAnswer, error) {
	p, err := a.cluster.Position(ctx, request.ActorType, request.ActorID)
	if err != nil {
		return findAnswer{}, err
	}
	return findAnswer{
		ActorID:       request.ActorID,
		ActorType:     request.ActorType,
		TTL:           request.TTL,
		CreateTime:    p.Created.UnixMilli(),
		ServerID:      p.ServerID,
		ServerAddress: p.Address,
	}, nil
}
