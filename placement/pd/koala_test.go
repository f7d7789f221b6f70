package pd_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"testing"

	"github.com/mallee-io/mallee/internal/gen/placementpb"
)

// post asks Koala's API of a process.
func post(t testing.TB, addr, path string, body any) (int, map[string]any) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(within(t), http.MethodPost, "http://"+addr+"/pd/api/v1"+path, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	got, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(got))
	decoder.UseNumber() // leases have 63 bits
	var object map[string]any
	if decoder.Decode(&object) != nil {
		object = map[string]any{"error": string(got)}
	}
	return answer.StatusCode, object
}

// integer reads a number of an answer.
func integer(t testing.TB, field any) int64 {
	t.Helper()
	text, ok := field.(json.Number)
	n, err := text.Int64()
	if !ok || err != nil {
		t.Fatalf("%v is no number", field)
	}
	return n
}

func number(t testing.TB, addr, path, field string, body any) int64 {
	t.Helper()
	code, answer := post(t, addr, path, body)
	if code != http.StatusOK {
		t.Fatalf("%s: %d %v", path, code, answer)
	}
	return integer(t, answer[field])
}

type object = map[string]any

// A Koala host joins through a follower, gets an actor, and keeps it when the
// leader changes; when it leaves, every process tells so.
func TestKoalaHosts(t *testing.T) {
	t.Parallel()
	servers := startAll(t, trio(t))
	addr := servers[0].Addr()
	first := leaderOf(t, leading(t, dial(t, addr), 1), servers)
	follower := servers[(first+1)%3].Addr()
	id := number(t, follower, "/id/new_server_id", "id", object{})
	host := object{"server_id": id, "ttl": 15, "address": "127.0.0.1:15001", "services": object{"IPlayer": "Player"}, "desc": "host_1", "load": 0}
	if code, answer := post(t, follower, "/membership/register", object{"server_id": id + 100, "address": "127.0.0.1:1"}); code != http.StatusBadRequest {
		t.Errorf("an id that was not issued: %d %v", code, answer)
	}
	code, answer := post(t, follower, "/membership/register", object{"server_id": id, "address": "127.0.0.1:1", "services": object{"a/b": "c"}})
	if code != http.StatusBadRequest {
		t.Errorf("a type that cannot be: %d %v", code, answer)
	}
	code, answer = post(t, follower, "/membership/register", host)
	if code != http.StatusOK {
		t.Fatalf("%d %v", code, answer)
	}
	lease := integer(t, answer["lease_id"])
	if code, answer := post(t, addr, "/membership/register", host); code != http.StatusBadRequest {
		t.Errorf("registered twice: %d %v", code, answer)
	}
	// It gets actors once it is 5 s old.
	var position object
	for ctx := within(t); ctx.Err() == nil; {
		if code, position = post(t, follower, "/placement/find_position", object{"actor_type": "IPlayer", "actor_id": "1/ü"}); code == http.StatusOK {
			break
		}
		if position["error"] != `"without enough server"` {
			t.Fatal(code, position)
		}
	}
	if integer(t, position["server_id"]) != id || position["server_address"] != "127.0.0.1:15001" {
		t.Fatal(position)
	}
	if code, answer := post(t, addr, "/placement/find_position", object{"actor_type": "INone", "actor_id": "1"}); code != http.StatusBadRequest || answer["error"] != `"not find actor type"` {
		t.Errorf("%d %v", code, answer)
	}
	stop(t, servers[first])
	after := leading(t, dial(t, follower), 2)
	if after.GetActors() != 1 || after.GetRecovering() {
		t.Errorf("%v", after)
	}
	if code, again := post(t, follower, "/placement/find_position", object{"actor_type": "IPlayer", "actor_id": "1/ü"}); code != http.StatusOK || integer(t, again["server_id"]) != id || again["create_time"] != position["create_time"] {
		t.Errorf("%d %v", code, again)
	}
	if code, answer := post(t, follower, "/membership/keep_alive", object{"server_id": id, "lease_id": lease, "load": 3}); code != http.StatusOK {
		t.Errorf("%d %v", code, answer)
	}
	if code, answer := post(t, follower, "/membership/keep_alive", object{"server_id": id, "lease_id": lease - 1}); code != http.StatusBadRequest {
		t.Errorf("a wrong lease: %d %v", code, answer)
	}
	if code, _ := post(t, follower, "/membership/delete", object{"server_id": id, "address": "127.0.0.1:9"}); code != http.StatusOK {
		t.Error("delete with a wrong address")
	}
	if events := removed(t, follower); slices.Contains(events, id) {
		t.Error("deleted with a wrong address")
	}
	if code, _ := post(t, follower, "/membership/delete", object{"server_id": id, "address": "127.0.0.1:15001"}); code != http.StatusOK {
		t.Error("delete")
	}
	for i, s := range servers {
		if i != first && !slices.Contains(removed(t, s.Addr()), id) {
			t.Errorf("process %d does not tell that the host has gone", i)
		}
	}
}

// removed are the members of which a process says that they have gone.
func removed(t testing.TB, addr string) (ids []int64) {
	t.Helper()
	code, answer := post(t, addr, "/membership/fetch_all", object{})
	events, ok := answer["events"].([]any)
	if code != http.StatusOK || !ok {
		t.Fatalf("%d %v", code, answer)
	}
	for _, e := range events {
		event, _ := e.(map[string]any)
		left, ok := event["remove"].([]any)
		if !ok {
			t.Fatalf("%v", e)
		}
		for _, id := range left {
			ids = append(ids, integer(t, id))
		}
	}
	return ids
}

// Mallee nodes and Koala hosts share ids, and find each other.
func TestKoalaBesideNodes(t *testing.T) {
	t.Parallel()
	addr := start(t, config(t)).Addr()
	c := dial(t, addr)
	n := join(t, c, "a")
	id := number(t, addr, "/id/new_server_id", "id", nil)
	if id != int64(n.id)+1 {
		t.Errorf("id %d after node %d", id, n.id)
	}
	seen := make(map[int64]bool)
	for range 250 {
		for _, path := range []string{"/id/new_sequence/mail/100", "/id/new_sequence/..%2Fserver_id/100"} {
			if got := number(t, addr, path, "id", nil); path == "/id/new_sequence/mail/100" && (seen[got] || got < 1) {
				t.Errorf("%d comes again", got)
			} else if path == "/id/new_sequence/mail/100" {
				seen[got] = true
			}
		}
	}
	position, want := number(t, addr, "/placement/find_position", "server_id", object{"actor_type": "A", "actor_id": "1"}), int64(n.id)
	if position != want {
		t.Errorf("the actor is on %d", position)
	}
	n.begin(map[string]client{"": c})
	if g := n.locate("1"); g.GetNode() != n.id {
		t.Errorf("%v", g)
	}
	if code, _ := post(t, addr, "/membership/delete", object{"server_id": n.id, "address": "127.0.0.1:1"}); code != http.StatusOK {
		t.Error("delete")
	}
	if members, err := c.Members(within(t), &placementpb.MembersRequest{}); err != nil || len(members.GetMembers()) != 1 {
		t.Errorf("a node was deleted as if it were a Koala host: %v, %v", members, err)
	}
}
