package node_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/examples/game"
	"github.com/mallee-io/mallee/internal/transport"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/storage"
)

// unsteady is a driver that can be made to answer nothing.
type unsteady struct {
	placement.Driver
	down    atomic.Bool
	control atomic.Pointer[placement.Control]
}

var errDown = mallee.ErrUnavailable.Errorf("the placement driver is down")

func (d *unsteady) Join(ctx context.Context, m placement.Member, c placement.Control) (placement.Lease, error) {
	if d.down.Load() {
		return placement.Lease{}, errDown
	}
	d.control.Store(&c)
	return d.Driver.Join(ctx, m, c)
}

func (d *unsteady) Renew(ctx context.Context, id placement.NodeID, s placement.Status) error {
	if d.down.Load() {
		return errDown
	}
	return d.Driver.Renew(ctx, id, s)
}

func page(t *testing.T, n *node.Node, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	n.AdminHandler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return w
}

// notReady lists the checks that fail.
func notReady(t *testing.T, n *node.Node) (failed []string) {
	t.Helper()
	w := page(t, n, "/readyz")
	var answer struct {
		Checks []struct {
			Name  string
			Ready bool
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || len(answer.Checks) != 4 {
		t.Fatalf("%v: %s", err, w.Body)
	}
	for _, c := range answer.Checks {
		if !c.Ready {
			failed = append(failed, c.Name)
		}
	}
	if (w.Code == http.StatusOK) != (failed == nil) || (w.Code == http.StatusServiceUnavailable) != (failed != nil) {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
	return failed
}

func TestReadyMeansThatTheLeaseIsRenewed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &unsteady{Driver: placement.Memory(5 * time.Second)}
		n, err := node.Start(t.Context(), node.Config{Types: game.Types(), Store: storage.Memory(), Placement: d, Network: transport.NewMemory(), Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		expect := func(want ...string) {
			t.Helper()
			if got := notReady(t, n); !slices.Equal(got, want) {
				t.Errorf("not ready is %v, not %v", got, want)
			}
		}
		time.Sleep(20 * time.Second)
		expect()
		d.down.Store(true)
		time.Sleep(2 * time.Second) // one that is late is no lost one
		expect()
		time.Sleep(4 * time.Second)
		expect("lease")
		time.Sleep(time.Minute)
		expect("lease")
		d.down.Store(false)
		time.Sleep(5 * time.Second)
		expect()

		control := *d.control.Load()
		control.Cordon(true)
		expect("placement")
		control.Cordon(false)
		expect()
		stop(t, n)
		expect("placement")
	})
}

func TestAdminAddress(t *testing.T) {
	t.Parallel()
	cluster := placement.Memory(time.Minute)
	n := join(t, node.Config{Placement: cluster, Admin: "127.0.0.1:0"})
	members, err := cluster.Members(t.Context())
	if err != nil || members[0].Admin != n.Admin() {
		t.Errorf("%+v, %v: not at %s", members, err, n.Admin())
	}
	for _, path := range []string{"/", "/healthz", "/readyz", "/metrics", "/debug/pprof/heap"} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+n.Admin()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != http.StatusOK {
			t.Errorf("%s: %s, %v", path, answer.Status, err)
		}
		answer.Body.Close()
	}
	_, err = node.Start(t.Context(), node.Config{Placement: cluster, Admin: n.Admin(), Log: slog.New(slog.DiscardHandler)})
	if !errors.Is(err, mallee.ErrUnavailable) {
		t.Errorf("an address that is taken: %v", err)
	}
}

// scrape reads the figures as Prometheus does.
func scrape(t *testing.T, n *node.Node) map[string]*dto.MetricFamily {
	t.Helper()
	var parser expfmt.TextParser
	families, err := parser.TextToMetricFamilies(page(t, n, "/metrics").Body)
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// with finds the figure that has a label with a value.
func with(f *dto.MetricFamily, labels map[string]string) *dto.Metric {
	for _, m := range f.GetMetric() {
		matching := 0
		for _, l := range m.GetLabel() {
			if labels[l.GetName()] == l.GetValue() {
				matching++
			}
		}
		if matching == len(labels) {
			return m
		}
	}
	return nil
}

func TestMetricsCountCalls(t *testing.T) {
	t.Parallel()
	cluster, store := placement.Memory(time.Minute), storage.Memory()
	host := join(t, node.Config{Name: "host", Types: game.Types(), Placement: cluster, Store: store})
	client := join(t, node.Config{Name: "client", Placement: cluster, Store: store})
	const calls = 1000
	for range calls {
		if _, err := game.PlayerOf(client, "ann").Echo(t.Context(), "hi"); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := game.PlayerOf(client, "ann").Give(t.Context(), "", -1); err == nil {
		t.Fatal("the game gives nothing of something")
	}
	found, ok := scrape(t, host), map[string]string{"type": "Player", "outcome": "ok"}
	for with(found["mallee_calls_total"], ok).GetCounter().GetValue() < calls { // successes are counted a little late
		if t.Context().Err() != nil {
			t.Fatal("calls are not counted")
		}
		found = scrape(t, host)
	}
	if m := with(found["mallee_calls_total"], ok); m.GetCounter().GetValue() != calls {
		t.Errorf("calls: %v", m)
	}
	var failed float64
	for _, m := range found["mallee_calls_total"].GetMetric() {
		failed += m.GetCounter().GetValue()
	}
	if failed -= calls; failed < 1 {
		t.Errorf("%v calls have failed", failed)
	}
	player := map[string]string{"type": "Player"}
	if h := with(found["mallee_turn_seconds"], player).GetHistogram(); h.GetSampleCount() < calls/64 || h.GetSampleSum() <= 0 {
		t.Errorf("turns: %v", h)
	}
	if h := with(found["mallee_turn_wait_seconds"], player).GetHistogram(); h.GetSampleCount() < calls/64/2 {
		t.Errorf("waits: %v", h)
	}
	if g := with(found["mallee_active_actors"], player).GetGauge().GetValue(); g != 1 {
		t.Errorf("%v active players", g)
	}
	sent := scrape(t, client)["mallee_transport_sent_bytes_total"].GetMetric()[0].GetCounter().GetValue()
	received := found["mallee_transport_received_bytes_total"].GetMetric()[0].GetCounter().GetValue()
	if sent < calls || received < calls {
		t.Errorf("%v bytes sent, %v received", sent, received)
	}
}

func TestMailboxesThatAreFull(t *testing.T) {
	t.Parallel()
	release, begun := make(chan struct{}), make(chan struct{})
	n := join(t, node.Config{Types: []mallee.Type{blocker(begun, release)}})
	id, done := mallee.ID{Type: "Echo", Key: "x"}, make(chan error)
	const calls = 5
	for range calls {
		go func() { done <- n.Invoke(t.Context(), id, &echoCall{}) }()
	}
	<-begun
	echoes := map[string]string{"type": "Echo"}
	for with(scrape(t, n)["mallee_mailbox_turns"], echoes).GetGauge().GetValue() != calls-1 {
		if t.Context().Err() != nil {
			t.Fatal("the turns do not wait")
		}
	}
	close(release)
	for range calls {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// blocker says when its first turn has begun, and ends it when it is told.
func blocker(begun, release chan struct{}) mallee.Type {
	return mallee.NewType(mallee.Interface{Name: "Echo"}, func(*mallee.Self) any { return &blocked{begun: begun, release: release} })
}

type blocked struct {
	begun, release chan struct{}
	second         bool
}

func (b *blocked) Echo(context.Context, string) (string, error) {
	if !b.second {
		b.second = true
		close(b.begun)
		<-b.release
	}
	return "", nil
}

// docs/operations.md has a line for each figure, with its kind and labels.
func TestDocumentListsAllMetrics(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := make(map[string]bool)
	for _, line := range regexp.MustCompile("(?m)^\\| `(mallee_[a-z_]+)` \\| (\\w+) \\|").FindAllStringSubmatch(string(document), -1) {
		if !strings.HasPrefix(line[1], "mallee_pd_") { // of placement drivers
			documented[line[1]+" "+line[2]] = true
		}
	}
	cluster := placement.Memory(time.Minute)
	n := join(t, node.Config{Types: game.Types(), Store: storage.Memory(), Placement: cluster})
	if _, err := game.PlayerOf(n, "ann").Echo(t.Context(), "hi"); err != nil {
		t.Fatal(err)
	}
	ended := mallee.NewType(mallee.Interface{Name: "Echo"}, func(*mallee.Self) any { panic("no actor") })
	broken := join(t, node.Config{Types: []mallee.Type{ended}, Store: storage.Memory(), Placement: cluster})
	if err := broken.Invoke(t.Context(), mallee.ID{Type: "Echo", Key: "x"}, &echoCall{}); err == nil {
		t.Fatal("an actor without a constructor")
	}
	served := make(map[string]bool)
	for _, of := range []*node.Node{n, broken} {
		for name, family := range scrape(t, of) {
			if strings.HasPrefix(name, "mallee_") {
				served[name+" "+strings.ToLower(family.GetType().String())] = true
			}
		}
	}
	for name := range served {
		if !documented[name] {
			t.Errorf("not in docs/operations.md: %s", name)
		}
	}
	for name := range documented {
		if !served[name] {
			t.Errorf("not served: %s", name)
		}
	}
}

// The watch of overdue calls may visit an actor in the instant that it is
// activated. The race detector finds what it would see half made.
func TestActivationsUnderTheWatch(t *testing.T) {
	t.Parallel()
	n := join(t, node.Config{Types: game.Types(), CallTimeout: 50 * time.Millisecond}) // visits each millisecond
	var wg sync.WaitGroup
	for c := range 8 {
		wg.Go(func() {
			for i := range 500 {
				_, _ = game.PlayerOf(n, fmt.Sprint(c, i)).Echo(t.Context(), "hi") // a busy machine may be too late
			}
		})
	}
	wg.Wait()
}
