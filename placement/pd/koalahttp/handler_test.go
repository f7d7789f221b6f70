package koalahttp_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mallee-io/mallee/placement/pd/koalahttp"
)

const jsonType = "application/json; charset=UTF-8"

// TestRoutes checks every route and message, byte for byte.
func TestRoutes(t *testing.T) {
	t.Parallel()
	register := func(id string, rest string) string {
		return `{"server_id":` + id + `,"address":"127.0.0.1:15001"` + rest + `}`
	}
	stored := func(load, ttl, services, desc, labels string) string {
		return `{"server_id":7,"load":` + load + `,"start_time":946684800000,"ttl":` + ttl + `,"address":"127.0.0.1:15001","services":` + services + `,"desc":"` + desc + `","labels":` + labels + `}`
	}
	for _, c := range []struct {
		method, path, body string
		err                error // of the cluster
		status             int
		want               string
		asked              string // of the cluster
	}{
		{"GET", "/version", ``, nil, 200, `{"version":"0.1"}`, ``},

		{"POST", "/id/new_server_id", `{}`, nil, 200, `{"id":9223372036854775807}`, `next`},
		{"POST", "/id/new_server_id", `{"Headers":[{"Key":"Content-Type"}]`, nil, 200, `{"id":9223372036854775807}`, `next`},
		{"POST", "/id/new_sequence/mail/512", ``, nil, 200, `{"id":9223372036854775807}`, `sequence "sequence/mail" 512`},
		{"POST", "/id/new_sequence/mail/-5", ``, nil, 200, `{"id":9223372036854775807}`, `sequence "sequence/mail" 100`},
		{"POST", "/id/new_sequence/mail/9223372036854775807", ``, nil, 200, `{"id":9223372036854775807}`, `sequence "sequence/mail" 1000000`},
		{"POST", "/id/new_sequence/%2Fnode%2F5/100", ``, nil, 200, `{"id":9223372036854775807}`, `sequence "sequence//node/5" 100`},
		{"POST", "/id/new_sequence/token/100", ``, nil, 200, `{"id":9223372036854775807}`, `sequence "sequence/token" 100`},
		{"POST", "/id/new_sequence/mail/x1", ``, nil, 400, `"strconv.ParseInt: parsing \"x1\": invalid syntax"`, ``},
		{"POST", "/id/new_sequence/mail/9223372036854775808", ``, nil, 400, `"strconv.ParseInt: parsing \"9223372036854775808\": value out of range"`, ``},
		{"POST", "/id/new_sequence/" + strings.Repeat("k", 1025) + "/100", ``, nil, 400, `"sequence_key has 1025 bytes, at most 1024 are allowed"`, ``},
		{"POST", "/placement/new_token", `{}`, nil, 200, `{"id":9223372036854775807}`, `sequence "token" 1000`},

		{"POST", "/membership/register", register("7", ``), nil, 200, `{"lease_id":2463928571341593188}`,
			`register 15s ` + stored("0", "15", `null`, ``, `null`)},
		{"POST", "/membership/register", register("7", `,"services":null,"labels":null,"desc":null,"load":null,"ttl":null,"unknown":[{}]`), nil, 200, `{"lease_id":2463928571341593188}`,
			`register 15s ` + stored("0", "15", `null`, ``, `null`)},
		{"POST", "/membership/register", register("7", `,"load":-1,"start_time":5,"ttl":1,"services":{"IPlayer":"Player"},"desc":"host_7","labels":{"a":"b"},"lease_id":0`), nil, 200, `{"lease_id":2463928571341593188}`,
			`register 2s ` + stored("-1", "2", `{"IPlayer":"Player"}`, `host_7`, `{"a":"b"}`)},
		{"POST", "/membership/register", register("7", ``), koalahttp.ErrRegistered, 400, `"RegisterNewServer, ServerID:7 exist"`, `register 15s ` + stored("0", "15", `null`, ``, `null`)},
		{"POST", "/membership/register", register("7", ``), koalahttp.ErrNotIssued, 400, `"RegisterNewServer, ServerID:7 was never issued"`, `register 15s ` + stored("0", "15", `null`, ``, `null`)},
		{"POST", "/membership/register", register("0", ``), nil, 400, `"RegisterNewServer, ServerID:0 was never issued"`, ``},
		{"POST", "/membership/register", register("-3", ``), nil, 400, `"RegisterNewServer, ServerID:-3 was never issued"`, ``},
		{"POST", "/membership/register", register("7", `,"ttl":-1`), nil, 400, `"ttl -1: expected seconds up to 300, or 0 for 15"`, ``},
		{"POST", "/membership/register", register("7", `,"ttl":301`), nil, 400, `"ttl 301: expected seconds up to 300, or 0 for 15"`, ``},
		{"POST", "/membership/register", register(`"7"`, ``), nil, 400, `"json: cannot unmarshal string into Go struct field Host.server_id of type int64"`, ``},
		{"POST", "/membership/register", register(`7.5`, ``), nil, 400, `"json: cannot unmarshal number 7.5 into Go struct field Host.server_id of type int64"`, ``},
		{"POST", "/membership/register", ``, nil, 400, `"unexpected end of JSON input"`, ``},
		{"POST", "/membership/register", strings.Repeat(" ", 64<<10+1), nil, 413, `"the body is larger than 65536 bytes"`, ``},

		{"POST", "/membership/keep_alive", `{"server_id":7,"lease_id":2463928571341593188,"load":-1}`, nil, 200,
			`{"hosts":{"10":{"server_id":10,"load":0,"start_time":0,"ttl":0,"address":"b:2","services":{},"desc":"","labels":null},"9":{"server_id":9,"load":3,"start_time":4,"ttl":5,"address":"a:1","services":{"I":"X"},"desc":"d","labels":{"GatewayAddress":"http://1.2.3.4:5/ws"}}},` +
				`"events":[{"time":1,"add":[],"remove":[4]},{"time":2,"add":[5,6],"remove":[]}]}`, `keep 7 2463928571341593188 -1`},
		{"POST", "/membership/keep_alive", `{"server_id":7,"lease_id":1,"load":2,"services":null,"address":null,"ttl":null}`, koalahttp.ErrNoLease, 400, `"etcdserver: requested lease not found"`, `keep 7 1 2`},
		{"POST", "/membership/keep_alive", `{"server_id":7,"lease_id":1}`, koalahttp.ErrNoHost, 400, `"ServerID not found"`, `keep 7 1 0`},
		{"POST", "/membership/keep_alive", `{"server_id":7}`, nil, 400, `"ServerID/LeaseID must input"`, ``},
		{"POST", "/membership/keep_alive", `{"lease_id":7,"server_id":null}`, nil, 400, `"ServerID/LeaseID must input"`, ``},
		{"POST", "/membership/keep_alive", `[]`, nil, 400, `"json: cannot unmarshal array into Go value of type koalahttp.keepAliveRequest"`, ``},

		{"POST", "/membership/fetch_all", `nonsense`, nil, 200,
			`{"hosts":{"10":{"server_id":10,"load":0,"start_time":0,"ttl":0,"address":"b:2","services":{},"desc":"","labels":null},"9":{"server_id":9,"load":3,"start_time":4,"ttl":5,"address":"a:1","services":{"I":"X"},"desc":"d","labels":{"GatewayAddress":"http://1.2.3.4:5/ws"}}},` +
				`"events":[{"time":1,"add":[],"remove":[4]},{"time":2,"add":[5,6],"remove":[]}]}`, ``},

		{"POST", "/membership/delete", `{"server_id":7,"address":"127.0.0.1:15001"}`, nil, 200, `{"server_id":7}`, `delete 7 127.0.0.1:15001`},
		{"POST", "/membership/delete", `{"server_id":true}`, nil, 400, `"json: cannot unmarshal bool into Go struct field deleteRequest.server_id of type int64"`, ``},

		{"POST", "/placement/find_position", `{"actor_type":"IPlayer","actor_id":"1"}`, nil, 200,
			`{"actor_id":"1","actor_type":"IPlayer","ttl":0,"create_time":1795216809408,"server_id":77,"server_address":"127.0.0.1:15001"}`, `position "IPlayer" "1"`},
		{"POST", "/placement/find_position?x=1", `{"actor_type":"I","actor_id":"<a/b>","ttl":60}`, nil, 200,
			`{"actor_id":"\u003ca/b\u003e","actor_type":"I","ttl":60,"create_time":1795216809408,"server_id":77,"server_address":"127.0.0.1:15001"}`, `position "I" "<a/b>"`},
		{"POST", "/placement/find_position", `{"actor_type":"IPlayer","actor_id":""}`, nil, 400, `"args error"`, ``},
		{"POST", "/placement/find_position", `{"actor_id":"1"}`, nil, 400, `"args error"`, ``},
		{"POST", "/placement/find_position", `{"actor_type":"IPlayer","actor_id":1}`, nil, 400, `"json: cannot unmarshal number into Go struct field findRequest.actor_id of type string"`, ``},
		{"POST", "/placement/find_position", `{"actor_type":"A/B","actor_id":"1"}`, nil, 400, `"invalid: actor type \"A/B\" has a slash in its name"`, ``},
		{"POST", "/placement/find_position", `{"actor_type":"I","actor_id":"1"}`, koalahttp.ErrNoType, 400, `"not find actor type"`, `position "I" "1"`},
		{"POST", "/placement/find_position", `{"actor_type":"I","actor_id":"1"}`, koalahttp.ErrNoServer, 400, `"without enough server"`, `position "I" "1"`},
	} {
		synctest.Test(t, func(t *testing.T) {
			cluster := &fixed{
				err: c.err, id: 1<<63 - 1, lease: 2463928571341593188,
				hosts: []koalahttp.Host{
					{ServerID: 9, Load: 3, StartTime: 4, TTL: 5, Address: "a:1", Services: map[string]string{"I": "X"}, Desc: "d", Labels: map[string]string{"GatewayAddress": "http://1.2.3.4:5/ws"}},
					{ServerID: 10, Address: "b:2"}, {ServerID: 11}, {ServerID: 12, Address: "[::1]:1"},
				},
				events:   []koalahttp.Event{{Time: 1, Remove: []int64{4}}, {Time: 2, Add: []int64{5, 6}}},
				position: koalahttp.Position{Created: time.UnixMilli(1795216809408), ServerID: 77, Address: "127.0.0.1:15001"},
			}
			w := request(newHandler(cluster), c.method, koalahttp.Prefix+c.path, c.body)
			if got := w.Body.String(); w.Code != c.status || got != c.want {
				t.Errorf("%s %.99s %.99s:\n %d %s, want\n %d %s", c.method, c.path, c.body, w.Code, got, c.status, c.want)
			}
			if got := w.Header().Get("Content-Type"); got != jsonType {
				t.Errorf("%s %s: Content-Type %q", c.method, c.path, got)
			}
			if cluster.asked != c.asked {
				t.Errorf("%s %s %s: the cluster was asked %s, want %s", c.method, c.path, c.body, cluster.asked, c.asked)
			}
		})
	}
}

// TestOtherPaths checks what the router answers itself.
func TestOtherPaths(t *testing.T) {
	t.Parallel()
	h := newHandler(&fixed{id: 1})
	for _, c := range []struct {
		method, path   string
		status         int
		body, location string
	}{
		{"POST", "/pd/api/v1/version", 405, "", ""},
		{"HEAD", "/pd/api/v1/version", 405, "", ""},
		{"GET", "/pd/api/v1/id/new_server_id", 405, "", ""},
		{"GET", "/pd/api/v1/id/new_sequence/a/1", 405, "", ""},
		{"PUT", "/pd/api/v1/membership/register", 405, "", ""},
		{"GET", "/pd/api/v1/membership/keep_alive", 405, "", ""},
		{"GET", "/pd/api/v1/membership/fetch_all", 405, "", ""},
		{"DELETE", "/pd/api/v1/membership/delete", 405, "", ""},
		{"GET", "/pd/api/v1/placement/find_position", 405, "", ""},
		{"GET", "/pd/api/v1/placement/new_token", 405, "", ""},
		{"POST", "/pd/api/v1/placement/delete_position", 404, "404 page not found\n", ""},
		{"POST", "/pd/api/v1/id/new_server_id/", 404, "404 page not found\n", ""},
		{"GET", "/pd/api/v2/version", 404, "404 page not found\n", ""},
		{"GET", "/", 404, "404 page not found\n", ""},
		{"POST", "/pd", 301, "", "/pd/"},
		{"POST", "/pd//api/v1/id/new_server_id?a=b", 301, "", "/pd/api/v1/id/new_server_id?a=b"},
		{"POST", "//example.org/..", 301, "", "/"},
		{"POST", "/pd/api/v1/x/../version/", 301, "", "/pd/api/v1/version/"},
	} {
		w := request(h, c.method, c.path, "{}")
		if got := w.Body.String(); w.Code != c.status || got != c.body || w.Header().Get("Location") != c.location {
			t.Errorf("%s %s: %d %q to %q, want %d %q to %q", c.method, c.path, w.Code, got, w.Header().Get("Location"), c.status, c.body, c.location)
		}
		if allow := w.Header().Get("Allow"); (c.status == http.StatusMethodNotAllowed) != (allow != "") {
			t.Errorf("%s %s: Allow %q", c.method, c.path, allow)
		}
	}
}

// TestAddresses checks which addresses a host may register.
func TestAddresses(t *testing.T) {
	t.Parallel()
	h := newHandler(&fixed{lease: 1})
	for _, good := range []string{"10.1.1.210:15001", "game-1.example.org:1", "127.0.0.1:65535"} {
		post[map[string]int64](t, h, "/membership/register", `{"server_id":1,"address":"`+good+`"}`)
	}
	for _, bad := range []string{"", "10.1.1.210", ":15001", "a:0", "a:65536", "a:b", "a:+1", "[::1]:15001", "::1:15001", "http://a:1", "a b:1"} {
		wantRefusal(t, h, "/membership/register", `{"server_id":1,"address":"`+bad+`"}`, `address "`+bad+`": expected ip:port, with IPv4`)
	}
}
