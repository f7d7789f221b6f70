// Package admin serves the health and the figures of a process: /healthz,
// /readyz, /metrics and the profiles of /debug/pprof.
package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Pages are what a process shows of itself.
type Pages struct {
	Name       string // of the process, for people
	Checks     []Check
	Collectors []prometheus.Collector // besides those of the Go runtime and the process
}

// Handler serves the pages. Its figures are in a registry of its own, so two
// processes can live in one. It panics where two collectors have the same
// figure, which is a mistake in the program.
func (p Pages) Handler() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	registry.MustRegister(p.Collectors...)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.index)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", p.ready)
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	// Not /debug/pprof/cmdline: flags may hold passwords.
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", http.NotFound)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

func (p Pages) index(w http.ResponseWriter, _ *http.Request) {
	fmt.Fprintf(w, `%s

/healthz       the process is alive
/readyz        it makes progress and takes work
/metrics       figures, for Prometheus
/debug/pprof/  profiles of the running program
`, p.Name)
}

// Serve listens on addr and serves the handler until ctx ends. It returns the
// address, whose port is a free one where addr has port 0.
func Serve(ctx context.Context, addr string, h http.Handler, log *slog.Logger) (string, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", addr)
	if err != nil {
		return "", fmt.Errorf("admin address: %w", err)
	}
	// No limit to the time of an answer: a profile takes as long as it is asked to.
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("health and figures are not served any more", "addr", listener.Addr(), "error", err)
		}
	}()
	return listener.Addr().String(), nil
}
