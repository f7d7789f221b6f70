package koalahttp_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mallee-io/mallee/placement/pd/koalahttp"
)

// process is one of several that serve a cluster. leader says who leads at a
// time: "" is nobody.
type process struct {
	koalahttp.Cluster
	name   string
	leader func(time.Duration) string
	start  time.Time
	placed atomic.Int32
}

func (p *process) Leader(context.Context) (here bool, url string, err error) {
	leader := p.leader(time.Since(p.start))
	if leader == "" {
		return false, "", errors.New("there is no leader")
	}
	return leader == p.name, "http://" + leader, nil
}

func (p *process) Position(ctx context.Context, actorType, actorID string) (koalahttp.Position, error) {
	p.placed.Add(1)
	return p.Cluster.Position(ctx, actorType, actorID)
}

// always names one leader.
func always(leader string) func(time.Duration) string {
	return func(time.Duration) string { return leader }
}

// from names a leader from a time on, and another one before.
func from(d time.Duration, leader, before string) func(time.Duration) string {
	return func(now time.Duration) string {
		if now < d {
			return before
		}
		return leader
	}
}

// TestForward checks that a follower asks the leader, whatever it has to wait
// for, and never answers itself or sends the client elsewhere.
func TestForward(t *testing.T) {
	t.Parallel()
	const found = `{"actor_id":"1","actor_type":"I","ttl":0,"create_time":1,"server_id":7,"server_address":"a:1"}`
	for _, c := range []struct {
		name        string
		a, b        func(time.Duration) string // whom a and b take for the leader
		query, body string
		err         error
		status      int
		want        string // what the answer contains
		after       time.Duration
		placed      int32 // by b
	}{
		{name: "leader elsewhere", a: always("b"), b: always("b"), status: 200, want: found, placed: 1},
		{name: "with a query", a: always("b"), b: always("b"), query: "?x=1", status: 200, want: found, placed: 1},
		{name: "refused by the leader", a: always("b"), b: always("b"), err: koalahttp.ErrNoType, status: 400, want: `"not find actor type"`, placed: 1},
		{name: "no args", a: always("b"), b: always("b"), body: `{}`, status: 400, want: `"args error"`},
		{name: "no leader yet", a: from(time.Second, "b", ""), b: always("b"), status: 200, want: found, after: 1150 * time.Millisecond, placed: 1},
		{name: "leader dead", a: from(time.Second, "b", "dead"), b: always("b"), status: 200, want: found, after: 1150 * time.Millisecond, placed: 1},
		{name: "b does not know yet", a: always("b"), b: from(time.Second, "b", ""), status: 200, want: found, after: 1150 * time.Millisecond, placed: 1},
		{name: "in a circle", a: always("b"), b: always("a"), status: 500, want: `"forward to leader http://b: status 421: \"not the leader\""`, after: 4 * time.Second},
		{name: "to itself", a: always("alias-of-a"), b: always("b"), status: 500, want: `status 421`, after: 4 * time.Second},
		{name: "never a leader", a: always(""), b: always(""), status: 500, want: `"there is no leader"`, after: 4 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			cluster := &fixed{err: c.err, position: koalahttp.Position{Created: time.UnixMilli(1), ServerID: 7, Address: "a:1"}}
			start := time.Now()
			a := &process{Cluster: cluster, name: "a", leader: c.a, start: start}
			b := &process{Cluster: cluster, name: "b", leader: c.b, start: start}
			w := wires{}
			config := koalahttp.Config{Transport: w.transport(), Log: slog.New(slog.DiscardHandler)}
			w.serve(t, "a", koalahttp.New(a, config))
			w.serve(t, "b", koalahttp.New(b, config))
			w["alias-of-a"] = w["a"]
			if c.body == "" {
				c.body = `{"actor_type":"I","actor_id":"1"}`
			}
			response, err := w.post(t, "http://a"+koalahttp.Prefix+"/placement/find_position"+c.query, strings.NewReader(c.body))
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			if got := readAll(t, response); response.StatusCode != c.status || !strings.Contains(got, c.want) || response.Header.Get("Content-Type") != jsonType {
				t.Errorf("%s: %d %s, want %d %s", c.name, response.StatusCode, got, c.status, c.want)
			}
			if took := time.Since(start); took != c.after {
				t.Errorf("%s: took %v, want %v", c.name, took, c.after)
			}
			if a.placed.Load() != 0 || b.placed.Load() != c.placed {
				t.Errorf("%s: a placed %d, b %d, want 0 and %d", c.name, a.placed.Load(), b.placed.Load(), c.placed)
			}
		})
	}
}

// TestForwardReadsWithBounds checks that what poses as a leader cannot fill
// the memory, nor make up an answer.
func TestForwardReadsWithBounds(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"endless": func(w http.ResponseWriter, _ *http.Request) {
			for chunk := make([]byte, 32<<10); ; {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		},
		"no JSON":  func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
	} {
		synctest.Test(t, func(t *testing.T) {
			w := wires{}
			w.serve(t, "leader", answer)
			follower := &process{Cluster: &fixed{}, name: "follower", leader: always("leader"), start: time.Now()}
			h := koalahttp.New(follower, koalahttp.Config{Transport: w.transport(), Log: slog.New(slog.DiscardHandler)})
			got := request(h, http.MethodPost, koalahttp.Prefix+"/placement/find_position", `{"actor_type":"I","actor_id":"1"}`)
			if got.Code != 500 || got.Body.Len() > 2000 {
				t.Errorf("%s: %d with %d bytes", name, got.Code, got.Body.Len())
			}
		})
	}
}
