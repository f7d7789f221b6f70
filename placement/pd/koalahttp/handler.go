package koalahttp

import (
	"context"
	"log/slog"
	"net/http"
	"path"
	"strings"
	"time"
)

const (
	// patience is how long a request waits for the cluster, and the process for
	// its leader: a Python host gives up after 5 seconds.
	patience = 4 * time.Second

	// bodyTime is how long the body of a request may take. It outlasts patience,
	// as a read that fails ends the request.
	bodyTime = 5 * time.Second

	idleConnection = 90 * time.Second // to another process
)

// Prefix is where the API is, on the client port of a placement driver.
const Prefix = "/pd/api/v1"

// Config is what a Handler needs besides its cluster.
type Config struct {
	// Transport reaches the client ports of the other processes of the
	// placement driver. Defaults to plain connections without a proxy.
	Transport http.RoundTripper

	// Log is told of requests that the cluster could not answer. Defaults to
	// slog.Default.
	Log *slog.Logger
}

// New serves the API: requests for [Prefix] and all below it belong to the
// handler, which is safe for concurrent use. Limits of connections and of the
// time for headers belong to the server; the handler bounds bodies, in size and
// time, and how long a request takes.
func New(cluster Cluster, config Config) http.Handler {
	if config.Transport == nil {
		config.Transport = &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: idleConnection}
	}
	if config.Log == nil {
		config.Log = slog.Default()
	}
	a := &api{cluster: cluster, transport: config.Transport, log: config.Log}
	mux := http.NewServeMux()
	mux.HandleFunc(Prefix+"/version", a.serve(http.MethodGet, a.version))
	mux.HandleFunc(Prefix+"/id/new_server_id", a.serve(http.MethodPost, a.newServerID))
	mux.HandleFunc(Prefix+"/id/new_sequence/{key}/{step}", a.serve(http.MethodPost, a.newSequence))
	mux.HandleFunc(Prefix+"/membership/register", a.serve(http.MethodPost, a.register))
	mux.HandleFunc(Prefix+"/membership/keep_alive", a.serve(http.MethodPost, a.keepAlive))
	mux.HandleFunc(Prefix+"/membership/fetch_all", a.serve(http.MethodPost, a.fetchAll))
	mux.HandleFunc(Prefix+"/membership/delete", a.serve(http.MethodPost, a.deleteHost))
	mux.HandleFunc(findPositionPath, a.serve(http.MethodPost, a.findPosition))
	mux.HandleFunc(Prefix+"/placement/new_token", a.serve(http.MethodPost, a.newToken))
	return redirectUnclean(mux)
}

type api struct {
	cluster   Cluster
	transport http.RoundTripper
	log       *slog.Logger
}

// route answers a request with what becomes JSON, or with an error.
type route func(http.ResponseWriter, *http.Request) (any, error)

// serve makes a handler of a route that takes one method.
func (a *api) serve(method string, answer route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != method {
			w.Header().Set("Allow", method)
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		// Not every writer has deadlines; its server bounds bodies then.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyTime))
		ctx, cancel := context.WithTimeout(r.Context(), patience)
		defer cancel()
		body, err := answer(w, r.WithContext(ctx))
		if err != nil {
			a.writeError(w, r, err)
			return
		}
		writeJSON(w, http.StatusOK, body)
	}
}

// redirectUnclean answers 301 for paths with doubled slashes or dots and for
// the bare /pd, as Koala's router does; that of net/http would answer 307.
func redirectUnclean(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		escaped := r.URL.EscapedPath()
		clean := path.Clean("/" + escaped)
		if clean == "/pd" || strings.HasSuffix(escaped, "/") && clean != "/" {
			clean += "/"
		}
		if clean == escaped {
			next.ServeHTTP(w, r)
			return
		}
		if r.URL.RawQuery != "" {
			clean += "?" + r.URL.RawQuery
		}
		http.Redirect(w, r, clean, http.StatusMovedPermanently)
	})
}
