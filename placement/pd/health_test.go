package pd_test

import (
	"bufio"
	"context"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/mallee-io/mallee/internal/gen/placementpb"
	"github.com/mallee-io/mallee/placement/pd"
	"github.com/mallee-io/mallee/storage/etcd/etcdtest"
)

// figures reads /metrics: the kind and the value of each figure of ours.
func figures(t testing.TB, addr string) (kinds, values map[string]string) {
	t.Helper()
	code, text := get(t, addr, "/metrics")
	if code != http.StatusOK {
		t.Fatalf("%d %s", code, text)
	}
	kinds, values = make(map[string]string), make(map[string]string)
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		line := strings.Fields(lines.Text())
		switch {
		case len(line) == 4 && line[1] == "TYPE" && strings.HasPrefix(line[2], "mallee_"):
			kinds[line[2]] = line[3]
		case strings.HasPrefix(line[0], "mallee_"):
			values[line[0]] = line[1]
		}
	}
	return kinds, values
}

func TestFigures(t *testing.T) {
	t.Parallel()
	c := config(t)
	c.Admin = "127.0.0.1:0"
	s := start(t, c)
	all := dial(t, s.Addr())
	n := join(t, all, "a")
	n.begin(map[string]client{"": all})
	x := n.locate("x")
	n.locate("y")
	n.send(&placementpb.NodeBatch{Releases: []*placementpb.Release{{Grant: &placementpb.Grant{Actor: actor("x"), Epoch: x.GetEpoch()}}}})
	n.until("the release", func(b *placementpb.LeaderBatch) bool { return len(b.GetReleased()) == 1 })
	kinds, values := figures(t, s.Admin())
	for name, want := range map[string]string{
		"leader": "1", "term": "1", "nodes": "1", "silent_nodes": "0", "sessions": "1", "grants": "1", "answers_total": "2", "grants_total": "2",
		"releases_total": "1", "moves_total": "0", "lost_nodes_total": "0", "etcd_up": "1",
	} {
		if got := values["mallee_pd_"+name]; got != want {
			t.Errorf("mallee_pd_%s is %s, want %s", name, got, want)
		}
	}
	document, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range regexp.MustCompile("(?m)^\\| `(mallee_pd_[a-z_]+)` \\| (\\w+) \\|").FindAllStringSubmatch(string(document), -1) {
		if kinds[line[1]] != line[2] {
			t.Errorf("docs/operations.md says that %s is a %s, and it is %q", line[1], line[2], kinds[line[1]])
		}
		delete(kinds, line[1])
	}
	if len(kinds) > 0 {
		t.Errorf("not in docs/operations.md: %v", kinds)
	}
	if code, text := get(t, s.Admin(), "/readyz"); code != http.StatusOK {
		t.Errorf("%d %s", code, text)
	}
}

// While it waits for the others, a process is alive and not ready.
func TestHealthOfProcessThatWaits(t *testing.T) {
	t.Parallel()
	c := trio(t)[0]
	c.Admin = etcdtest.FreeAddress(t).Host
	ctx, giveUp := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		s, err := pd.Start(ctx, c)
		if err == nil {
			err = s.Stop(context.Background())
		}
		ended <- err
	}()
	r, err := http.NewRequestWithContext(within(t), http.MethodGet, "http://"+c.Admin+"/healthz", nil)
	if err != nil {
		t.Fatal(err)
	}
	for answer, err := http.DefaultClient.Do(r); ; answer, err = http.DefaultClient.Do(r) {
		if err == nil {
			_ = answer.Body.Close()
			break
		}
		if r.Context().Err() != nil {
			t.Fatal(err)
		}
	}
	if code, text := get(t, c.Admin, "/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(text, "starts or stops") {
		t.Errorf("%d %s", code, text)
	}
	if _, values := figures(t, c.Admin); values["mallee_pd_leader"] != "0" || values["mallee_pd_etcd_up"] != "0" {
		t.Errorf("%v", values)
	}
	giveUp()
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "majority") {
		t.Error(err)
	}
}
