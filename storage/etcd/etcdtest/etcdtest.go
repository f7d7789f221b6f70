// Package etcdtest runs an etcd server inside a test.
package etcdtest

import (
	"net/url"
	"testing"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
)

// Server is a cluster of one member, on the loopback, whose data is in a
// directory of the test. Its methods are for one goroutine at a time.
type Server struct {
	t       testing.TB
	config  *embed.Config
	running *embed.Etcd // nil while it is stopped
}

// patience bounds how long a server may take to start.
const patience = time.Minute

// Start runs a server until the end of the test, which fails if it does not
// start. Its log is dropped. A test may adjust the configuration.
func Start(t testing.TB, adjust ...func(*embed.Config)) *Server {
	t.Helper()
	config := embed.NewConfig()
	config.Dir = t.TempDir()
	config.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	config.EnableGRPCGateway = false           // nobody here speaks JSON to it
	config.TickMs, config.ElectionMs = 10, 100 // the only candidate need not wait long
	free := url.URL{Scheme: "http", Host: "127.0.0.1:0"}
	config.ListenPeerUrls, config.AdvertisePeerUrls = []url.URL{free}, []url.URL{free}
	config.ListenClientUrls, config.AdvertiseClientUrls = []url.URL{free}, []url.URL{free}
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	for _, a := range adjust {
		a(config)
	}
	s := &Server{t: t, config: config}
	t.Cleanup(s.Stop)
	s.start()
	return s
}

func (s *Server) start() {
	s.t.Helper()
	running, err := embed.StartEtcd(s.config)
	if err != nil {
		s.t.Fatalf("etcd does not start: %v", err)
	}
	s.running = running
	select {
	case <-running.Server.ReadyNotify():
	case err := <-running.Err():
		s.t.Fatalf("etcd does not start: %v", err)
	case <-time.After(patience):
		s.t.Fatalf("etcd has not started after %s", patience)
	}
	// The next start is at the same port.
	s.config.ListenClientUrls[0].Host = running.Clients[0].Addr().String()
}

// Endpoints are where clients find the server. They stay the same when it is
// restarted.
func (s *Server) Endpoints() []string {
	return []string{s.config.ListenClientUrls[0].Host}
}

// Stop ends the server once it has answered the requests that it has. A server
// that is stopped stays so.
func (s *Server) Stop() {
	if s.running != nil {
		s.running.Close()
		s.running = nil
	}
}

// Restart runs a stopped server again, on the same port and data.
func (s *Server) Restart() {
	s.t.Helper()
	s.Stop()
	s.start()
}
