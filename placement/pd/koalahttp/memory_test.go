package koalahttp_test

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mallee-io/mallee/placement/pd/koalahttp"
)

type idAnswer struct {
	ID int64 `json:"id"`
}

type leaseAnswer struct {
	LeaseID int64 `json:"lease_id"`
}

type hostsAnswer struct {
	Hosts  map[int64]koalahttp.Host `json:"hosts"`
	Events []koalahttp.Event        `json:"events"`
}

type findAnswer struct {
	ServerID int64  `json:"server_id"`
	Address  string `json:"server_address"`
	Created  int64  `json:"create_time"`
}

// host is one that a test runs against the API.
type host struct {
	h         http.Handler
	id, lease int64
	address   string
}

// join takes the steps of a Koala host.
func join(t *testing.T, h http.Handler, ttl int, service string) *host {
	t.Helper()
	id := post[idAnswer](t, h, "/id/new_server_id", `{}`).ID
	address := fmt.Sprintf("127.0.0.1:%d", 15000+id)
	lease := post[leaseAnswer](t, h, "/membership/register",
		fmt.Sprintf(`{"server_id":%d,"ttl":%d,"address":%q,"services":{%q:"X"},"desc":"host_%d"}`, id, ttl, address, service, id)).LeaseID
	return &host{h, id, lease, address}
}

func (o *host) keepAliveBody(load int) string {
	return fmt.Sprintf(`{"server_id":%d,"lease_id":%d,"load":%d}`, o.id, o.lease, load)
}

func (o *host) keepAlive(t *testing.T, load int) hostsAnswer {
	t.Helper()
	return post[hostsAnswer](t, o.h, "/membership/keep_alive", o.keepAliveBody(load))
}

func (a hostsAnswer) removed() (ids []int64) {
	for _, e := range a.Events {
		ids = append(ids, e.Remove...)
	}
	return ids
}

func find(t *testing.T, h http.Handler, actorType, id string) findAnswer {
	t.Helper()
	return post[findAnswer](t, h, "/placement/find_position", fmt.Sprintf(`{"actor_type":%q,"actor_id":%q}`, actorType, id))
}

// TestMembership runs hosts from their first to their last request.
func TestMembership(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHandler(koalahttp.Memory())
		a := join(t, h, 15, "I")
		if first := a.keepAlive(t, 0); first.Hosts[a.id].Address != a.address {
			t.Errorf("a host does not see itself in its first answer: %v", first)
		}
		b := join(t, h, 3, "I")

		time.Sleep(2 * time.Second)
		b.keepAlive(t, 4)
		time.Sleep(2 * time.Second)
		if got := a.keepAlive(t, 0); got.Hosts[b.id].Load != 4 || len(got.removed()) != 0 {
			t.Errorf("b was renewed: %v", got)
		}
		time.Sleep(time.Second)
		if got := a.keepAlive(t, 0); len(got.Hosts) != 1 || !slices.Equal(got.removed(), []int64{b.id}) {
			t.Errorf("the lease of b has ended: %v", got)
		}
		wantRefusal(t, h, "/membership/keep_alive", b.keepAliveBody(0), "etcdserver: requested lease not found")

		for range 30 {
			time.Sleep(2 * time.Second)
			if got := a.keepAlive(t, 0); !slices.Contains(got.removed(), b.id) {
				t.Fatalf("the leave of b is not told for 60 seconds: %v", got)
			}
		}
	})
}

// TestLeaseBelongsToHost checks what a host cannot do: renew for another one,
// register what was not issued, or come back under its ID.
func TestLeaseBelongsToHost(t *testing.T) {
	t.Parallel()
	h := newHandler(koalahttp.Memory())
	a, b := join(t, h, 15, "I"), join(t, h, 15, "I")
	mixed := &host{h, a.id, b.lease, ""}
	wantRefusal(t, h, "/membership/keep_alive", mixed.keepAliveBody(0), "etcdserver: requested lease not found")
	for id, text := range map[int64]string{a.id: "exist", b.id + 1: "was never issued", 0: "was never issued", -1: "was never issued"} {
		wantRefusal(t, h, "/membership/register", fmt.Sprintf(`{"server_id":%d,"address":"127.0.0.1:1"}`, id),
			fmt.Sprintf("RegisterNewServer, ServerID:%d %s", id, text))
	}
}

// TestDelete checks that a host is deleted by its own address only, and that
// the others are told.
func TestDelete(t *testing.T) {
	t.Parallel()
	h := newHandler(koalahttp.Memory())
	a, b := join(t, h, 15, "I"), join(t, h, 15, "I")
	del := func(id int64, address string) {
		post[map[string]int64](t, h, "/membership/delete", fmt.Sprintf(`{"server_id":%d,"address":%q}`, id, address))
	}
	del(b.id, a.address)
	del(b.id, "")
	del(99, "")
	if got := a.keepAlive(t, 0); len(got.Hosts) != 2 || len(got.removed()) != 0 {
		t.Errorf("deleted by another address: %v", got)
	}
	del(b.id, b.address)
	del(b.id, b.address)
	if got := a.keepAlive(t, 0); len(got.Hosts) != 1 || !slices.Equal(got.removed(), []int64{b.id}) {
		t.Errorf("not deleted: %v", got)
	}
	wantRefusal(t, h, "/membership/keep_alive", b.keepAliveBody(0), "ServerID not found")
	wantRefusal(t, h, "/membership/register", fmt.Sprintf(`{"server_id":%d,"address":%q}`, b.id, b.address),
		fmt.Sprintf("RegisterNewServer, ServerID:%d exist", b.id))
}

// TestPositions follows actors from host to host.
func TestPositions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHandler(koalahttp.Memory())
		const path, ask = "/placement/find_position", `{"actor_type":"I","actor_id":"1"}`
		wantRefusal(t, h, path, ask, "not find actor type")
		a := join(t, h, 15, "I")
		wantRefusal(t, h, path, ask, "without enough server")
		time.Sleep(5 * time.Second)
		first := find(t, h, "I", "1")
		if first.ServerID != a.id || first.Address != a.address || first.Created != time.Now().UnixMilli() {
			t.Errorf("%+v, want it on %d, now", first, a.id)
		}
		a.keepAlive(t, -1)
		wantRefusal(t, h, path, `{"actor_type":"I","actor_id":"2"}`, "without enough server")
		if again := find(t, h, "I", "1"); again != first {
			t.Errorf("moved from %+v to %+v", first, again)
		}
		b := join(t, h, 300, "I")
		time.Sleep(15 * time.Second) // the lease of a ends
		if moved := find(t, h, "I", "1"); moved.ServerID != b.id {
			t.Errorf("%+v, want it on %d, which is left", moved, b.id)
		}
	})
}

// TestPositionsAreNotMixedUp names a defect of Koala: type "b_c" with ID "a"
// and type "c" with ID "a_b" had one key.
func TestPositionsAreNotMixedUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHandler(koalahttp.Memory())
		first, second := join(t, h, 15, "b_c"), join(t, h, 15, "c")
		time.Sleep(5 * time.Second)
		if got := find(t, h, "b_c", "a"); got.ServerID != first.id {
			t.Errorf("b_c/a: %+v, want %d", got, first.id)
		}
		if got := find(t, h, "c", "a_b"); got.ServerID != second.id {
			t.Errorf("c/a_b: %+v, want %d", got, second.id)
		}
	})
}

// TestSequences checks that sequences are apart, of each other and of tokens.
func TestSequences(t *testing.T) {
	t.Parallel()
	h := newHandler(koalahttp.Memory())
	for _, c := range []struct {
		route string
		want  int64
	}{
		{"/id/new_sequence/mail/100", 1},
		{"/id/new_sequence/mail/200", 2},
		{"/id/new_sequence/token/100", 1},
		{"/placement/new_token", 1},
		{"/id/new_server_id", 1},
		{"/placement/new_token", 2},
	} {
		if got := post[idAnswer](t, h, c.route, ``).ID; got != c.want {
			t.Errorf("%s: %d, want %d", c.route, got, c.want)
		}
	}
}

// TestConcurrentHosts runs many hosts at once: IDs are their own, and an actor
// has one position.
func TestConcurrentHosts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHandler(koalahttp.Memory())
		var mu sync.Mutex
		hosts, where := map[int64]bool{}, map[string]map[int64]bool{}
		var all sync.WaitGroup
		for range 16 {
			all.Go(func() {
				o := join(t, h, 300, "I")
				time.Sleep(5 * time.Second)
				for i := range 20 {
					actor := fmt.Sprint(i)
					at := find(t, h, "I", actor).ServerID
					o.keepAlive(t, i)
					post[hostsAnswer](t, h, "/membership/fetch_all", ``)
					mu.Lock()
					if where[actor] == nil {
						where[actor] = map[int64]bool{}
					}
					where[actor][at] = true
					hosts[o.id] = true
					mu.Unlock()
				}
				post[map[string]int64](t, h, "/membership/delete", fmt.Sprintf(`{"server_id":%d,"address":"1.1.1.1:1"}`, o.id))
			})
		}
		all.Wait()
		if len(hosts) != 16 {
			t.Errorf("%d hosts, want 16", len(hosts))
		}
		for actor, at := range where {
			if len(at) != 1 {
				t.Errorf("actor %s is on %v", actor, at)
			}
		}
	})
}
