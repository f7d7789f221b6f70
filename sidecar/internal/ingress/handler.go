package ingress

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/mallee-io/mallee/sidecar/internal/command"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
)

// Config is what a Handler needs. Model and Server are required.
type Config struct {
	Model  *spec.Model    // what the user function has declared
	Server command.Server // answers the calls

	// MaxMessage bounds a message of a client, in bytes, compressed or not.
	// Defaults to 12 MiB.
	MaxMessage int

	// BodyTimeout is how long a client may take to send the message of a call
	// that takes only one. Streams of messages have no such limit. Defaults to
	// one minute.
	BodyTimeout time.Duration

	// AllowedOrigins are the origins whose pages may call from a browser, such as
	// "https://shop.example.com"; "*" is every origin. None: only pages of the
	// same origin may, which is what browsers do without being told.
	AllowedOrigins []string

	// Ready is asked by the health check of gRPC. It must be quick and safe for
	// concurrent use. Nil: always ready.
	Ready func() bool

	// Log gets, at level debug, what is wrong with requests of HTTP/JSON, which
	// clients are not told. Defaults to slog.Default().
	Log *slog.Logger
}

// Handler serves one Model. It is safe for concurrent use.
type Handler struct {
	config    Config
	endpoints map[string]*endpoint // by path
	routes    []*route             // in the order in which they are tried
	json      *jsonCodec
	gzip      gzipPool
	buffers   sync.Pool // of *[]byte, to read ahead
	ok        []string  // grpc-status of every call that succeeds
}

// endpoint is a method and who answers it.
type endpoint struct {
	*spec.Method
	server command.Server
}

// New makes a handler. It is an error if a rule of HTTP/JSON cannot be served.
func New(c Config) (*Handler, error) {
	if c.Model == nil || c.Server == nil {
		return nil, errors.New("ingress: Config.Model and Config.Server are required")
	}
	c.setDefaults()
	h := &Handler{config: c, endpoints: map[string]*endpoint{}, json: &jsonCodec{types: c.Model.Types}, ok: []string{"0"}}
	h.buffers.New = func() any { b := make([]byte, readAhead); return &b }
	for _, m := range builtIn(c) {
		h.endpoints[m.Path()] = m
	}
	for _, s := range c.Model.Services {
		for _, m := range s.Methods {
			e := &endpoint{m, c.Server}
			h.endpoints[m.Path()] = e
			if err := h.addRoutes(e); err != nil {
				return nil, err
			}
		}
	}
	return h, nil
}

func (c *Config) setDefaults() {
	if c.MaxMessage == 0 {
		c.MaxMessage = 12 << 20
	}
	if c.BodyTimeout == 0 {
		c.BodyTimeout = time.Minute
	}
	if c.Ready == nil {
		c.Ready = func() bool { return true }
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
}

// ServeHTTP answers one request of any protocol.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor == 1 {
		w = &stallWriter{w}
	}
	if len(h.config.AllowedOrigins) > 0 && h.allowOrigin(w, r) {
		return
	}
	if e := h.endpoints[r.URL.Path]; e != nil && h.serveRPC(w, r, e) {
		return
	}
	if h.serveRoute(w, r) {
		return
	}
	switch probe := r.Header.Get("K-Network-Probe"); {
	case probe != "":
		serveProbe(w, probe)
	case isGRPC(r):
		h.refuseGRPC(w, unimplemented("there is no method %s", r.URL.Path))
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// serveRPC answers a request of a protocol that names the method in the path. It
// reports whether the request is of one.
func (h *Handler) serveRPC(w http.ResponseWriter, r *http.Request, e *endpoint) bool {
	switch kind := r.Header.Get("Content-Type"); {
	case isGRPC(r):
		h.serveGRPC(w, r, e)
	case r.Method != http.MethodPost:
		return false
	case isGRPCWeb(kind):
		h.serveGRPCWeb(w, r, e)
	case isConnectStream(kind):
		h.serveConnectStream(w, r, e)
	case isConnectUnary(r, kind):
		h.serveConnectUnary(w, r, e)
	default:
		return false
	}
	return true
}

// within is the context of a call with the deadline that its client has set; 0:
// none.
func within(r *http.Request, timeout time.Duration) (context.Context, context.CancelFunc) {
	if timeout == 0 {
		return r.Context(), func() {}
	}
	return context.WithTimeout(r.Context(), timeout)
}

// serveProbe answers the probe that Knative's networking sends through a service
// to its queue.
func serveProbe(w http.ResponseWriter, probe string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if probe != "queue" {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte("K-Network-Probe: the value must be queue"))
		return
	}
	_, _ = w.Write([]byte(probe))
}
