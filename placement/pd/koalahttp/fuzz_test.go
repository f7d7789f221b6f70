package koalahttp_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/mallee-io/mallee/placement/pd/koalahttp"
)

// FuzzRequests sends anything to any route. Whatever it is, the answer is one
// that Koala's clients can read, and a keep_alive is always answered.
func FuzzRequests(f *testing.F) {
	for _, seed := range []struct{ route, body string }{
		{"/version", ``},
		{"/id/new_server_id", `{}`},
		{"/id/new_sequence/mail/512", ``},
		{"/id/new_sequence/%2F/-1", ``},
		{"/membership/register", `{"server_id":1,"ttl":15,"address":"127.0.0.1:15001","services":{"IPlayer":"Player"},"desc":"host_1","labels":{"a":"b"}}`},
		{"/membership/register", `{"server_id":1,"ttl":-9223372036854775808,"address":"[::1]:1","services":null}`},
		{"/membership/keep_alive", `{"server_id":1,"lease_id":2463928571341593188,"load":0}`},
		{"/membership/fetch_all", `null`},
		{"/membership/delete", `{"server_id":1,"address":"127.0.0.1:15001"}`},
		{"/placement/find_position", `{"actor_type":"IPlayer","actor_id":"1","ttl":0}`},
		{"/placement/find_position?x=1", `{"actor_type":"\ud800","actor_id":"\u0000/"}`},
		{"/placement/new_token", ``},
		{"/../..//%zz", ``},
	} {
		f.Add(seed.route, seed.body)
	}
	f.Fuzz(func(t *testing.T, route, body string) {
		target, err := url.Parse(koalahttp.Prefix + route)
		if err != nil {
			t.Skip("no URL")
		}
		cluster := koalahttp.Memory()
		if _, err := cluster.NextID(t.Context()); err != nil {
			t.Fatal(err)
		}
		h := newHandler(cluster)
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.URL = target
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		switch w.Code {
		case http.StatusOK, http.StatusBadRequest, http.StatusRequestEntityTooLarge:
			if !json.Valid(w.Body.Bytes()) {
				t.Errorf("%s: %d %s", route, w.Code, w.Body)
			}
		case http.StatusMovedPermanently, http.StatusNotFound, http.StatusMethodNotAllowed:
		default:
			t.Errorf("%s: %d %s", route, w.Code, w.Body)
		}
		wantReadable(t, request(h, http.MethodPost, koalahttp.Prefix+"/membership/fetch_all", "").Body.Bytes())
	})
}

// wantReadable checks an answer as the strict model of a Python host does.
func wantReadable(t *testing.T, body []byte) {
	t.Helper()
	var answer struct {
		Hosts map[int64]struct {
			Address, Desc *string
			Services      map[string]string
		}
		Events []struct{ Add, Remove []int64 }
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Hosts == nil || answer.Events == nil {
		t.Fatalf("%v in %s", err, body)
	}
	for _, h := range answer.Hosts {
		if h.Services == nil || h.Address == nil || h.Desc == nil || strings.Count(*h.Address, ":") != 1 {
			t.Errorf("a host cannot be read: %s", body)
		}
	}
	for _, e := range answer.Events {
		if e.Add == nil || e.Remove == nil {
			t.Errorf("an event has a null: %s", body)
		}
	}
}
