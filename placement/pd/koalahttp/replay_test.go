package koalahttp_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mallee-io/mallee/placement/pd/koalahttp"
)

// TestReplay sends what a Python host sent to Koala's placement driver in its
// first seconds, and wants the answers of that day.
func TestReplay(t *testing.T) {
	t.Parallel()
	const registered = 1795216803604
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.UnixMilli(registered)))
		cluster := &fixed{
			id: 77, lease: 2463928571341593188,
			hosts: []koalahttp.Host{{
				ServerID: 77, StartTime: registered, TTL: 15, Address: "127.0.0.1:15001",
				Services: map[string]string{"IPlayer": "Player", "IAccount": "EmptyAccount"}, Desc: "host_77",
			}},
			events:   []koalahttp.Event{{Time: 1795216804150, Add: []int64{77}}},
			position: koalahttp.Position{Created: time.UnixMilli(1795216809408), ServerID: 77, Address: "127.0.0.1:15001"},
		}
		h := newHandler(cluster)
		for _, c := range []struct{ route, body, want, asked string }{
			{"/id/new_server_id", `{}`, `{"id":77}`, `next`},
			{
				"/membership/register",
				`{"server_id": 77, "load": 0, "start_time": 1795216802881, "ttl": 15, "address": "127.0.0.1:15001", "services": {"IPlayer": "Player", "IAccount": "EmptyAccount"}, "desc": "host_77"}`,
				`{"lease_id":2463928571341593188}`,
				`register 15s {"server_id":77,"load":0,"start_time":1795216803604,"ttl":15,"address":"127.0.0.1:15001","services":{"IAccount":"EmptyAccount","IPlayer":"Player"},"desc":"host_77","labels":null}`,
			},
			{
				"/membership/keep_alive",
				`{"server_id": 77, "lease_id": 2463928571341593188, "load": 0}`,
				`{"hosts":{"77":{"server_id":77,"load":0,"start_time":1795216803604,"ttl":15,"address":"127.0.0.1:15001","services":{"IAccount":"EmptyAccount","IPlayer":"Player"},"desc":"host_77","labels":null}},"events":[{"time":1795216804150,"add":[77],"remove":[]}]}`,
				`keep 77 2463928571341593188 0`,
			},
			{
				"/placement/find_position",
				`{"actor_type": "IPlayer", "actor_id": "1", "ttl": 0}`,
				`{"actor_id":"1","actor_type":"IPlayer","ttl":0,"create_time":1795216809408,"server_id":77,"server_address":"127.0.0.1:15001"}`,
				`position "IPlayer" "1"`,
			},
		} {
			w := request(h, http.MethodPost, koalahttp.Prefix+c.route, c.body)
			if w.Code != 200 || w.Body.String() != c.want {
				t.Errorf("%s: %d %s, want %s", c.route, w.Code, w.Body, c.want)
			}
			if cluster.asked != c.asked {
				t.Errorf("%s: the cluster was asked %s, want %s", c.route, cluster.asked, c.asked)
			}
		}
	})
}
