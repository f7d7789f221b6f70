package pd

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/admin"
	"github.com/mallee-io/mallee/placement/pd/koalahttp"
)

// openAdmin serves health and figures until the process stops.
func (s *Server) openAdmin() (err error) {
	if s.config.Admin == "" {
		return nil
	}
	pages := admin.Pages{
		Name:       "placement driver " + s.config.Name,
		Checks:     []admin.Check{{Name: "leader", Run: s.checkLeader}, {Name: "etcd", Run: s.checkEtcd}},
		Collectors: []prometheus.Collector{newMetrics(s)},
	}
	s.admin, err = admin.Serve(s.life, s.config.Admin, pages.Handler(), s.config.Log)
	return err
}

// readyPatience is for etcd's answer to a question for readiness.
const readyPatience = 2 * time.Second

// handlers are what the client port serves over HTTP.
func (s *Server) handlers() map[string]http.Handler {
	koala := koalahttp.New(koala{s}, koalahttp.Config{Transport: s.others.http(), Log: s.config.Log})
	return map[string]http.Handler{
		"/pd":      koala,
		"/pd/":     koala,
		"/healthz": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }),
		"/readyz":  http.HandlerFunc(s.readyz),
	}
}

// readyz is well when this process knows who leads, and etcd has just answered.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyPatience)
	defer cancel()
	if err := s.ready(ctx); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

func (s *Server) ready(ctx context.Context) error {
	if _, err := s.checkLeader(ctx); err != nil {
		return err
	}
	_, err := s.checkEtcd(ctx)
	return err
}

// checkLeader passes while this process leads, or knows who does.
func (s *Server) checkLeader(ctx context.Context) (time.Time, error) {
	if err := s.await(ctx); err != nil {
		return time.Time{}, err
	}
	if mine, seen, _ := s.election.now(); mine == nil && (seen.Name == "" || seen.Addr == s.config.Advertise) {
		return time.Time{}, mallee.ErrUnavailable.Errorf("nobody leads the placement driver just now")
	}
	return time.Time{}, nil
}

// checkEtcd passes when etcd answers, which takes a majority of its processes.
func (s *Server) checkEtcd(ctx context.Context) (time.Time, error) {
	if err := s.await(ctx); err != nil {
		return time.Time{}, err
	}
	if _, err := s.client.Get(ctx, s.keys.format(), clientv3.WithCountOnly()); err != nil {
		return time.Time{}, noAnswer("ask etcd", err)
	}
	return time.Now(), nil
}
