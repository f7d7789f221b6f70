package sidecar

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// pages are the servers beside the one for clients.
type pages struct{ servers []*http.Server }

// openPages serves health, and figures, where the configuration says.
func (s *Sidecar) openPages(ctx context.Context) error {
	health := http.NewServeMux()
	health.HandleFunc("GET /ready", s.pageReady)
	health.HandleFunc("GET /alive", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "alive") })
	figures := http.NewServeMux()
	figures.HandleFunc("GET /metrics", s.pageMetrics)
	figures.HandleFunc("GET /{$}", s.pageMetrics)
	for _, page := range []struct {
		what, addr string
		handler    http.Handler
	}{{"health", s.config.Management, health}, {"figures", s.config.Metrics, figures}} {
		if page.addr == "" {
			continue
		}
		if err := s.pages.open(ctx, page.addr, page.handler); err != nil {
			return fmt.Errorf("serve %s: %w", page.what, errors.Join(err, s.pages.close()))
		}
	}
	return nil
}

func (p *pages) open(ctx context.Context, addr string, handler http.Handler) error {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	const patience = 10 * time.Second
	server := &http.Server{Handler: handler, ReadHeaderTimeout: patience, ReadTimeout: patience, WriteTimeout: patience, IdleTimeout: time.Minute}
	p.servers = append(p.servers, server)
	go func() { _ = server.Serve(listener) }() // ends with close
	return nil
}

func (p *pages) close() (err error) {
	for _, server := range p.servers {
		err = errors.Join(err, server.Close())
	}
	return err
}

// pageReady answers 200 while commands can be served.
func (s *Sidecar) pageReady(w http.ResponseWriter, _ *http.Request) {
	if waits := s.serves(); waits != nil {
		http.Error(w, waits.Error(), http.StatusInternalServerError) // as Cloudstate's probes have it
		return
	}
	_, _ = fmt.Fprintln(w, "ready")
}

// pageMetrics has the figures of the node and of the entities.
func (s *Sidecar) pageMetrics(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	now := s.serving
	s.mu.Unlock()
	if now == nil {
		http.Error(w, "no clients are served yet", http.StatusServiceUnavailable)
		return
	}
	now.metrics.ServeHTTP(w, r)
}
