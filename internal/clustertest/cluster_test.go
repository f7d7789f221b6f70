package clustertest_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/mallee-io/mallee/internal/chaos/crowd"
	"github.com/mallee-io/mallee/internal/gen/placementpb"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/placement/pd"
	"github.com/mallee-io/mallee/storage"
	"github.com/mallee-io/mallee/storage/etcd"
	"github.com/mallee-io/mallee/storage/etcd/etcdtest"
)

const (
	// patience bounds what has to happen; nothing is measured by it.
	patience = time.Minute
	leaseTTL = 15 * time.Second // a busy machine forgets nobody
)

func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// cluster is what nodes of a test share.
type cluster struct {
	t       testing.TB
	configs []pd.Config
	servers []*pd.Server // nil: it is stopped
	store   storage.Store
	turns   *turns
	secure  *tls.Config // nil: plain TCP
	log     *journal
}

// newCluster starts processes of the placement driver. States are in memory.
func newCluster(t testing.TB, processes int, adjust ...func(*pd.Config)) *cluster {
	t.Helper()
	c := &cluster{t: t, servers: make([]*pd.Server, processes), store: storage.Memory(), turns: newTurns(t), log: new(journal)}
	var initial []string
	for i := range processes {
		config := pd.Config{
			Name: fmt.Sprint("pd", i), Dir: t.TempDir(), LeaseTTL: leaseTTL, Log: slog.New(slog.DiscardHandler),
			Listen: etcdtest.FreeAddress(t).Host, PeerListen: etcdtest.FreeAddress(t).Host,
		}
		for _, a := range adjust {
			a(&config)
		}
		scheme := "http"
		if config.TLS != (pd.TLS{}) {
			scheme = "https"
		}
		initial = append(initial, config.Name+"="+scheme+"://"+config.PeerListen)
		c.configs = append(c.configs, config)
	}
	for i := range c.configs {
		c.configs[i].InitialCluster = strings.Join(initial, ",")
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the nodes' logs:\n%s", c.log)
		}
		c.stopAll()
	})
	c.startAll()
	return c
}

// startAll starts the processes that are stopped: they may need each other.
func (c *cluster) startAll() {
	c.t.Helper()
	ctx := within(c.t)
	errs := make(chan error, len(c.servers))
	for i, s := range c.servers {
		go func() {
			var err error
			if s == nil {
				c.servers[i], err = pd.Start(ctx, c.configs[i])
			}
			errs <- err
		}()
	}
	for range c.servers {
		if err := <-errs; err != nil {
			c.t.Error(err)
		}
	}
	if c.t.Failed() {
		c.t.FailNow()
	}
}

func (c *cluster) stopPD(i int) {
	c.t.Helper()
	if c.servers[i] == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.servers[i].Stop(ctx); err != nil {
		c.t.Error(err)
	}
	c.servers[i] = nil
}

// stopAll stops all processes at once.
func (c *cluster) stopAll() {
	var stopping sync.WaitGroup
	for i := range c.servers {
		stopping.Go(func() { c.stopPD(i) })
	}
	stopping.Wait()
}

func (c *cluster) addrs() (all []string) {
	for _, config := range c.configs {
		all = append(all, config.Listen)
	}
	return all
}

// keepInEtcd has the states of actors in the placement drivers' etcd.
func (c *cluster) keepInEtcd() {
	c.t.Helper()
	store, err := etcd.Open(within(c.t), etcd.Config{Endpoints: c.addrs(), TLS: c.secure})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = store.Close() })
	c.store = store
}

// node starts a node; what the configuration leaves open is the cluster's.
func (c *cluster) node(name string, config node.Config) *node.Node {
	c.t.Helper()
	n, err := c.tryNode(name, config)
	if err != nil {
		c.t.Fatal(err)
	}
	return n
}

func (c *cluster) tryNode(name string, config node.Config) (*node.Node, error) {
	config.Name, config.PD, config.Store = name, c.addrs(), c.store
	if config.TLS == nil {
		config.TLS = c.secure
	}
	if config.Log == nil {
		config.Log = slog.New(c.log.of(name))
	}
	n, err := node.Start(within(c.t), config)
	if err != nil {
		return nil, err
	}
	c.t.Cleanup(n.Abort)
	return n, nil
}

// host starts a node that hosts the crowd.
func (c *cluster) host(name string) *node.Node {
	c.t.Helper()
	return c.node(name, node.Config{Types: crowd.Types(c.turns)})
}

// client starts a node that hosts nothing.
func (c *cluster) client() *node.Node {
	c.t.Helper()
	return c.node("client", node.Config{CallTimeout: patience / 2})
}

// tools asks the placement driver what people ask of it, at one process that
// runs.
func (c *cluster) tools() placementpb.AdminClient {
	c.t.Helper()
	for i, s := range c.servers {
		if s != nil {
			return placementpb.NewAdminClient(dial(c.t, c.configs[i].Listen, c.secure))
		}
	}
	c.t.Fatal("no placement driver runs")
	return nil
}

func dial(t testing.TB, addr string, secure *tls.Config) *grpc.ClientConn {
	t.Helper()
	protection := insecure.NewCredentials()
	if secure != nil {
		protection = credentials.NewTLS(secure)
	}
	conn, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(protection))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// status waits for a status of the cluster.
func (c *cluster) status(what string, wanted func(*placementpb.StatusResponse) bool) *placementpb.StatusResponse {
	c.t.Helper()
	tools := c.tools()
	var last *placementpb.StatusResponse
	var err error
	pause := time.NewTicker(20 * time.Millisecond)
	defer pause.Stop()
	for ctx := within(c.t); ctx.Err() == nil; <-pause.C {
		var s *placementpb.StatusResponse
		if s, err = tools.Status(ctx, &placementpb.StatusRequest{}); err == nil {
			if wanted(s) {
				return s
			}
			last = s
		}
	}
	c.t.Fatalf("%s does not come: %v, %v", what, last, err)
	return nil
}

// leader is the process that leads.
func (c *cluster) leader() int {
	c.t.Helper()
	found := -1
	c.status("a leader", func(s *placementpb.StatusResponse) bool {
		for _, p := range s.GetProcesses() {
			for i, config := range c.configs {
				if p.GetLeader() && p.GetName() == config.Name && c.servers[i] != nil {
					found = i
				}
			}
		}
		return found >= 0
	})
	return found
}

// set changes settings of the cluster.
func (c *cluster) set(settings map[string]string) {
	c.t.Helper()
	if _, err := c.tools().Settings(within(c.t), &placementpb.SettingsRequest{Set: settings}); err != nil {
		c.t.Fatal(err)
	}
}
