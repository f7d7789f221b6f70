package pd_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mallee-io/mallee/placement/pd"
	"github.com/mallee-io/mallee/placement/pd/koalahttp"
)

// koalaPost asks one process over HTTP until it answers, as Koala's hosts do;
// a body with status 200 is read into something.
func koalaPost(t testing.TB, s *pd.Server, route, body string, into any) (status int, answer string) {
	t.Helper()
	ctx := within(t)
	for {
		status, text, err := koalaPostOnce(ctx, s, route, body)
		switch {
		case err == nil && status < http.StatusInternalServerError:
			if status == http.StatusOK && json.Unmarshal(text, into) != nil {
				t.Fatalf("%s: %s", route, text)
			}
			return status, string(text)
		case ctx.Err() != nil:
			t.Fatalf("%s: %d %s %v", route, status, text, err)
		}
	}
}

func koalaPostOnce(ctx context.Context, s *pd.Server, route, body string) (status int, answer []byte, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.Addr()+koalahttp.Prefix+route, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	r.Close = true
	response, err := new(http.Transport).RoundTrip(r)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(response.Body)
	return response.StatusCode, answer, err
}

// koalaHost is a host that has registered.
type koalaHost struct {
	id, lease int64
	address   string
}

func koalaJoin(t testing.TB, s *pd.Server, ttl int) koalaHost {
	t.Helper()
	var issued struct{ ID int64 }
	if status, text := koalaPost(t, s, "/id/new_server_id", `{}`, &issued); status != 200 {
		t.Fatalf("new_server_id: %d %s", status, text)
	}
	h := koalaHost{id: issued.ID, address: fmt.Sprintf("127.0.0.1:%d", 20000+issued.ID)}
	var registered struct {
		LeaseID int64 `json:"lease_id"`
	}
	body := fmt.Sprintf(`{"server_id":%d,"ttl":%d,"address":%q,"services":{"IPlayer":"Player"},"desc":"host_%d"}`, h.id, ttl, h.address, h.id)
	if status, text := koalaPost(t, s, "/membership/register", body, &registered); status != 200 {
		t.Fatalf("register: %d %s", status, text)
	}
	h.lease = registered.LeaseID
	return h
}

type koalaMembers struct {
	Hosts  map[int64]koalahttp.Host
	Events []koalahttp.Event
}

func (m koalaMembers) removed(id int64) bool {
	return slices.ContainsFunc(m.Events, func(e koalahttp.Event) bool { return slices.Contains(e.Remove, id) })
}

func (h koalaHost) keepAlive(t testing.TB, s *pd.Server) (members koalaMembers, status int, text string) {
	t.Helper()
	body := fmt.Sprintf(`{"server_id":%d,"lease_id":%d,"load":0}`, h.id, h.lease)
	status, text = koalaPost(t, s, "/membership/keep_alive", body, &members)
	return members, status, text
}

// koalaFind asks until the actor has a host: a host gets none in its first
// seconds.
func koalaFind(t testing.TB, s *pd.Server, query, actor string) int64 {
	t.Helper()
	var found struct {
		ServerID int64 `json:"server_id"`
	}
	body := fmt.Sprintf(`{"actor_type":"IPlayer","actor_id":%q,"ttl":0}`, actor)
	for ctx := within(t); ctx.Err() == nil; {
		status, text := koalaPost(t, s, "/placement/find_position"+query, body, &found)
		if status == 200 {
			return found.ServerID
		}
		if text != `"without enough server"` {
			t.Fatalf("find_position: %d %s", status, text)
		}
		<-time.After(100 * time.Millisecond) // leaves the machine to others
	}
	t.Fatal("no host for the actor")
	return 0
}

// koalaPosition asks once more for an actor that has a host.
func koalaPosition(t testing.TB, s *pd.Server, actor string) (found struct {
	ServerID   int64 `json:"server_id"`
	CreateTime int64 `json:"create_time"`
}) {
	t.Helper()
	if status, text := koalaPost(t, s, "/placement/find_position", fmt.Sprintf(`{"actor_type":"IPlayer","actor_id":%q}`, actor), &found); status != 200 {
		t.Fatalf("find_position: %d %s", status, text)
	}
	return found
}

// TestKoalaHostLife runs Koala hosts from registration to end.
func TestKoalaHostLife(t *testing.T) {
	t.Parallel()
	s := start(t, config(t))
	a, b := koalaJoin(t, s, 60), koalaJoin(t, s, 60)
	members, status, text := a.keepAlive(t, s)
	if got := members.Hosts[a.id]; status != 200 || got.Address != a.address || got.Services["IPlayer"] != "Player" || len(members.Hosts) != 2 {
		t.Errorf("keep_alive: %d %s", status, text)
	}
	at := koalaFind(t, s, "", "1")
	if again := koalaFind(t, s, "?x=1", "1"); again != at {
		t.Errorf("on %d, then on %d", at, again)
	}
	if positions := koalaPosition(t, s, "1"); positions.CreateTime < members.Hosts[a.id].StartTime+5000 {
		t.Errorf("%+v: it was placed when its host was 5 s old", positions)
	}
	stolen := koalaHost{id: a.id, lease: b.lease}
	if _, status, text := stolen.keepAlive(t, s); status != 400 {
		t.Errorf("a lease of another host: %d %s", status, text)
	}
	owner, other := a, b
	if at == b.id {
		owner, other = b, a
	}
	var deleted struct{}
	koalaPost(t, s, "/membership/delete", fmt.Sprintf(`{"server_id":%d,"address":%q}`, owner.id, other.address), &deleted)
	if _, status, text := owner.keepAlive(t, s); status != 200 {
		t.Errorf("deleted by another address: %d %s", status, text)
	}
	koalaPost(t, s, "/membership/delete", fmt.Sprintf(`{"server_id":%d,"address":%q}`, owner.id, owner.address), &deleted)
	if _, status, text := owner.keepAlive(t, s); status != 400 || text != `"ServerID not found"` {
		t.Errorf("keep_alive of a deleted host: %d %s", status, text)
	}
	if members, _, text := other.keepAlive(t, s); !members.removed(owner.id) || members.removed(other.id) || len(members.Hosts) != 1 {
		t.Errorf("%d was deleted: %s", owner.id, text)
	}
	if moved := koalaFind(t, s, "", "1"); moved != other.id {
		t.Errorf("on %d after its host was deleted, want %d", moved, other.id)
	}
}

// TestKoalaPositionsOutliveLeader names a defect of Koala: a new leader forgot
// all positions, and placed actors a second time.
func TestKoalaPositionsOutliveLeader(t *testing.T) {
	t.Parallel()
	servers := startAll(t, trio(t))
	hosts := []koalaHost{koalaJoin(t, servers[0], 60), koalaJoin(t, servers[1], 60), koalaJoin(t, servers[2], 60)}
	where := make(map[string]int64)
	for i := range 20 {
		actor := fmt.Sprint(i)
		where[actor] = koalaFind(t, servers[i%3], "?x=1", actor)
		if other := koalaFind(t, servers[(i+1)%3], "", actor); other != where[actor] {
			t.Fatalf("%s is on %d, and on %d by another process", actor, where[actor], other)
		}
	}
	first := leaderOf(t, leading(t, dial(t, servers[0].Addr()), 1), servers)
	stop(t, servers[first])
	survivor := servers[(first+1)%3]
	for _, h := range hosts {
		if members, status, text := h.keepAlive(t, survivor); status != 200 || len(members.Hosts) != len(hosts) {
			t.Errorf("keep_alive after the leader has ended: %d %s", status, text)
		}
	}
	for actor, at := range where {
		if now := koalaFind(t, survivor, "", actor); now != at {
			t.Errorf("%s was on %d, and is on %d under the new leader", actor, at, now)
		}
	}
}
