// Package etcdtest runs etcd servers inside a test.
package etcdtest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
)

// Server is a member of a cluster, on the loopback, whose data is in a
// directory of the test. Stop and Restart are for one goroutine at a time.
type Server struct {
	t       testing.TB
	config  *embed.Config
	running *embed.Etcd // nil while it is stopped
}

// patience bounds how long a server may take to start.
const patience = time.Minute

// Start runs a cluster of one member until the end of the test, which fails if
// it does not start. Its log is dropped. A test may adjust the configuration.
func Start(t testing.TB, adjust ...func(*embed.Config)) *Server {
	t.Helper()
	return StartCluster(t, 1, adjust...)[0]
}

// StartCluster is Start for a cluster of several members.
func StartCluster(t testing.TB, members int, adjust ...func(*embed.Config)) []*Server {
	t.Helper()
	servers := make([]*Server, members)
	var cluster []string
	for i := range servers {
		config := newConfig(t, fmt.Sprint("member", i))
		for _, a := range adjust {
			a(config)
		}
		servers[i] = &Server{t: t, config: config}
		cluster = append(cluster, config.InitialClusterFromName(config.Name))
	}
	for _, s := range servers {
		s.config.InitialCluster = strings.Join(cluster, ",")
		t.Cleanup(s.Stop)
		s.start()
	}
	for _, s := range servers {
		s.await()
	}
	return servers
}

func newConfig(t testing.TB, name string) *embed.Config {
	config := embed.NewConfig()
	config.Name, config.Dir = name, t.TempDir()
	config.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	config.EnableGRPCGateway = false           // nobody here speaks JSON to it
	config.TickMs, config.ElectionMs = 20, 200 // all are near
	peers, clients := FreeAddress(t), FreeAddress(t)
	config.ListenPeerUrls, config.AdvertisePeerUrls = []url.URL{peers}, []url.URL{peers}
	config.ListenClientUrls, config.AdvertiseClientUrls = []url.URL{clients}, []url.URL{clients}
	return config
}

// FreeAddress is a loopback URL that no other program is given by chance while a server
// is stopped: systems give out ports from 32768 on to who does not choose.
func FreeAddress(t testing.TB) url.URL {
	t.Helper()
	for range 100 {
		host := fmt.Sprintf("127.0.0.1:%d", 12_000+rand.IntN(20_000))
		if listener, err := net.Listen("tcp", host); err == nil {
			_ = listener.Close()
			return url.URL{Scheme: "http", Host: host}
		}
	}
	t.Fatal("no port below 32000 is free")
	return url.URL{}
}

func (s *Server) start() {
	s.t.Helper()
	running, err := embed.StartEtcd(s.config)
	if err != nil {
		s.t.Fatalf("etcd does not start: %v", err)
	}
	s.running = running
}

// await waits until the server has found its leader.
func (s *Server) await() {
	s.t.Helper()
	select {
	case <-s.running.Server.ReadyNotify():
	case err := <-s.running.Err():
		s.t.Fatalf("etcd does not start: %v", err)
	case <-time.After(patience):
		s.t.Fatalf("etcd has not started after %s", patience)
	}
}

// Endpoints are where clients find the server, as host:port. They stay the
// same when it is restarted.
func (s *Server) Endpoints() []string { return []string{s.config.ListenClientUrls[0].Host} }

// Stop ends the server once it has answered the requests that it has. To stop
// a server that is stopped does nothing.
func (s *Server) Stop() {
	if s.running != nil {
		s.running.Close()
		s.running = nil
	}
}

// Restart runs the server again, on the same address and data. Of a cluster,
// a majority has to be running.
func (s *Server) Restart() {
	s.t.Helper()
	s.Stop()
	s.start()
	s.await()
}
