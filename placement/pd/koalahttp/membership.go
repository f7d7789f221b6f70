package koalahttp

import (
	"context"
	"net/http"
	"time"
)

// Leases of hosts, in seconds. A host that lives has had an answer within its
// lease, so the longest one is also EventLife.
const (
	defaultTTL = 15
	minTTL     = 2 // the shortest that etcd grants
	maxTTL     = 300
)

type leaseAnswer struct {
	LeaseID int64 `json:"lease_id"`
}

type keepAliveRequest struct {
	ServerID int64 `json:"server_id"`
	LeaseID  int64 `json:"lease_id"`
	Load     int64 `json:"load"`
}

type deleteRequest struct {
	ServerID int64  `json:"server_id"`
	Address  string `json:"address"`
}

type deleteAnswer struct {
	ServerID int64 `json:"server_id"`
}

type hostsAnswer struct {
	Hosts  map[int64]Host `json:"hosts"`
	Events []Event        `json:"events"`
}

func (a *api) register(w http.ResponseWriter, r *http.Request) (any, error) {
	var h Host
	if err := readJSON(w, r, &h); err != nil {
		return nil, err
	}
	if err := h.admit(time.Now()); err != nil {
		return nil, err
	}
	lease, err := patiently(r.Context(), func(ctx context.Context) (int64, error) {
		return a.cluster.Register(ctx, h, time.Duration(h.TTL)*time.Second)
	})
	if refused := asRefusal(err); refused != nil {
		return nil, refuseHost(h.ServerID, refused)
	}
	return leaseAnswer{lease}, err
}

// admit checks what a host says of itself and fills in what it need not say.
func (h *Host) admit(now time.Time) error {
	if h.ServerID <= 0 {
		return refuseHost(h.ServerID, ErrNotIssued)
	}
	if h.TTL < 0 || h.TTL > maxTTL {
		return refuse("ttl %d: expected seconds up to %d, or 0 for %d", h.TTL, maxTTL, defaultTTL)
	}
	if h.TTL == 0 {
		h.TTL = defaultTTL
	}
	h.TTL = max(h.TTL, minTTL)
	h.StartTime = now.UnixMilli()
	return checkAddress(h.Address)
}

func refuseHost(id int64, err error) error {
	return refuse("RegisterNewServer, ServerID:%d %v", id, err)
}

// keepAlive renews a lease. Any answer but 200 makes a Python host exit, and a
// connection that closes makes it try again until its lease has ended: it is
// told to go only when it has to.
func (a *api) keepAlive(w http.ResponseWriter, r *http.Request) (any, error) {
	answer, err := a.renew(w, r)
	if err != nil && !final(err) {
		a.log.WarnContext(r.Context(), "koala keep_alive closed without an answer", "error", err)
		panic(http.ErrAbortHandler)
	}
	return answer, err
}

func (a *api) renew(w http.ResponseWriter, r *http.Request) (hostsAnswer, error) {
	var request keepAliveRequest
	if err := readJSON(w, r, &request); err != nil {
		return hostsAnswer{}, err
	}
	if request.ServerID == 0 || request.LeaseID == 0 {
		return hostsAnswer{}, refuse("ServerID/LeaseID must input")
	}
	return patiently(r.Context(), func(ctx context.Context) (hostsAnswer, error) {
		if err := a.cluster.KeepAlive(ctx, request.ServerID, request.LeaseID, request.Load); err != nil {
			return hostsAnswer{}, err
		}
		return a.hosts(ctx)
	})
}

func (a *api) fetchAll(_ http.ResponseWriter, r *http.Request) (any, error) {
	return patiently(r.Context(), a.hosts)
}

func (a *api) deleteHost(w http.ResponseWriter, r *http.Request) (any, error) {
	var request deleteRequest
	if err := readJSON(w, r, &request); err != nil {
		return nil, err
	}
	return patiently(r.Context(), func(ctx context.Context) (deleteAnswer, error) {
		return deleteAnswer{request.ServerID}, a.cluster.Delete(ctx, request.ServerID, request.Address)
	})
}

// hosts is what hosts are told of the others. One null in it, other than
// labels, makes every Python host of the cluster exit, and one address that it
// cannot take apart keeps it from hearing of the others.
func (a *api) hosts(ctx context.Context) (hostsAnswer, error) {
	hosts, events, err := a.cluster.Hosts(ctx)
	if err != nil {
		return hostsAnswer{}, err
	}
	answer := hostsAnswer{Hosts: make(map[int64]Host, len(hosts)), Events: make([]Event, 0, len(events))}
	for _, h := range hosts {
		if checkAddress(h.Address) != nil {
			continue
		}
		if h.Services == nil {
			h.Services = map[string]string{}
		}
		answer.Hosts[h.ServerID] = h
	}
	for _, e := range events {
		e.Add, e.Remove = append([]int64{}, e.Add...), append([]int64{}, e.Remove...)
		answer.Events = append(answer.Events, e)
	}
	return answer, nil
}
