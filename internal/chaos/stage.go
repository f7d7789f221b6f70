package chaos

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/mallee-io/mallee/internal/chaos/crowd"
	"github.com/mallee-io/mallee/internal/local"
)

// stage is the cluster of a run, with proxies between its processes, and what
// is written down of their lives.
type stage struct {
	*local.Cluster
	config  RunConfig
	record  *Recorder
	links   *Links
	proxies []*Proxy
	doors   map[string]*Proxy             // the last proxy of each process
	cluster atomic.Pointer[local.Cluster] // for proxies, which are there before it

	storeFronted bool // links to the store can be cut

	mu     sync.Mutex
	pauses map[string]Pause // that go on, by process
	err    error            // of processes that have ended by themselves
	crash  chan struct{}    // closed when one has
}

var _ Cluster = (*stage)(nil)

func newStage(config RunConfig, record *Recorder) (*stage, error) {
	s := &stage{config: config, record: record, links: NewLinks(), doors: make(map[string]*Proxy), pauses: make(map[string]Pause), crash: make(chan struct{})}
	store, err := s.frontStore(config.Store)
	if err != nil {
		return nil, err
	}
	cluster, err := local.New(local.Config{
		Dir: config.Dir, PDs: config.PDs, Nodes: config.Nodes, Lease: config.Lease, Store: store, Types: "crowd",
		Gateways: config.Gateways, Actor: crowd.PeerInterface().Name, DrainSpread: config.Lease / 2,
		NodeArgs: func(life string) []string { return []string{"--turns", config.Dir, "--life", life} },
		Front:    s.front, Exited: s.exited,
	})
	if err != nil {
		return nil, errors.Join(err, s.closeProxies())
	}
	s.Cluster = cluster
	s.cluster.Store(cluster)
	return s, nil
}

// front puts a proxy before a process.
func (s *stage) front(process, listen string) (string, error) {
	p, err := NewProxy(ProxyConfig{Process: process, Target: listen, Links: s.links, Source: s.source})
	if err != nil {
		return "", err
	}
	s.proxies = append(s.proxies, p)
	s.doors[process] = p
	return p.Addr(), nil
}

// frontStore puts a proxy before the store that a URL names, and gives its URL
// through that. Only a PostgreSQL server with one address can have one: drivers
// of other stores ask the store for its addresses, and go there. The etcd of the
// PDs ("") gets its proxies from the cluster.
func (s *stage) frontStore(address string) (string, error) {
	if address == "" {
		s.storeFronted = true
		return "", nil
	}
	u, err := url.Parse(address)
	if err != nil || !strings.HasPrefix(u.Scheme, "postgres") || u.Hostname() == "" || strings.Contains(u.Host, ",") {
		return address, nil // whatever is wrong with it, the nodes will tell
	}
	u.Host, err = s.front(local.StoreName, net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), "5432")))
	s.storeFronted = true
	return u.String(), err
}

// source names the process of the cluster that has opened a connection.
func (s *stage) source(from net.Addr) string {
	pids := s.cluster.Load().Pids()
	pid, err := Owner(from.(*net.TCPAddr).AddrPort(), slices.Collect(maps.Keys(pids)))
	if err != nil {
		return "" // no link to it is cut then: see KnowsOwners
	}
	return pids[pid]
}

// exited hears of each life that has ended.
func (s *stage) exited(life string, asked bool, err error) {
	s.record.Exit(Exit{life, now()})
	if asked {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		close(s.crash)
	}
	s.err = errors.Join(s.err, fmt.Errorf("%s has ended by itself: %w", life, err))
}

// crashed tells of processes that have ended by themselves.
func (s *stage) crashed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Pause implements Cluster.
func (s *stage) Pause(process string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pauses[process] = Pause{Process: s.Life(process), From: now()}
	return s.Cluster.Pause(process)
}

// Resume implements Cluster.
func (s *stage) Resume(process string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pauses[process]
	p.To = now()
	s.record.Pause(p)
	return s.Cluster.Resume(process)
}

// Drop implements Cluster.
func (s *stage) Drop(gateway string) error {
	s.doors[local.ClientsOf(gateway)].Drop()
	return nil
}

// close ends the cluster.
func (s *stage) close() error {
	s.Close()
	return s.closeProxies()
}

func (s *stage) closeProxies() (err error) {
	for _, p := range s.proxies {
		err = errors.Join(err, p.Close())
	}
	return err
}
