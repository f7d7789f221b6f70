// Package httpapi serves actors over HTTP and JSON: each method of each
// registered type, an OpenAPI 3.1 document of them, and a page to read and try
// them that needs no other host.
//
//	POST /actors/{type}/{key}/{method}   a JSON object of named arguments
//	GET  /openapi.json
//	GET  /docs/
//
// Keys are percent-encoded path segments: any key can be written. Methods
// without results answer 204, one-way methods 202, errors a problem document
// (RFC 9457). Whoever reaches the handler can call every actor, so put your
// authentication in front of it.
package httpapi

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/mallee-io/mallee"
)

// DefaultMaxBody is the largest request body, in bytes.
const DefaultMaxBody = 1 << 20

// Config says what a Handler serves.
type Config struct {
	// Caller is the node that calls go through. Required.
	Caller mallee.Caller

	// Types are the actor types to serve.
	Types []mallee.Type

	// Title and Version name the API in its OpenAPI document. Default to
	// "Actors" and "1".
	Title, Version string

	// MaxBody bounds a request body, in bytes. Defaults to DefaultMaxBody.
	MaxBody int64
}

// Handler serves actors. It is an http.Handler.
type Handler struct {
	config   Config
	services services
	openapi  []byte
	mux      *http.ServeMux
}

// New makes a Handler. It fails for types that JSON cannot carry.
func New(config Config) (*Handler, error) {
	if config.Caller == nil {
		return nil, mallee.ErrInvalid.Errorf("httpapi.Config has no Caller")
	}
	if config.Title == "" {
		config.Title = "Actors"
	}
	if config.Version == "" {
		config.Version = "1"
	}
	if config.MaxBody == 0 {
		config.MaxBody = DefaultMaxBody
	}
	schemas := newSchemas()
	found, err := newServices(config.Types, schemas)
	if err != nil {
		return nil, err
	}
	h := &Handler{config: config, services: found, mux: http.NewServeMux()}
	if h.openapi, err = h.document(schemas); err != nil {
		return nil, err
	}
	h.mux.HandleFunc("POST /actors/{type}/{key}/{method}", h.call)
	h.mux.HandleFunc("GET /openapi.json", h.serveDocument)
	h.mux.Handle("GET /docs/", docs(config.Title))
	h.mux.Handle("GET /{$}", http.RedirectHandler("docs/", http.StatusFound))
	return h, nil
}

// ServeHTTP answers a request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if _, pattern := h.mux.Handler(r); pattern == "" {
		h.noRoute(w, r)
		return
	}
	h.mux.ServeHTTP(w, r)
}

// noRoute answers like everything else here, with a problem document.
func (h *Handler) noRoute(w http.ResponseWriter, r *http.Request) {
	allowed := http.MethodGet
	switch {
	case r.Method == http.MethodGet:
		if strings.Count(r.URL.EscapedPath(), "/") != 4 || !strings.HasPrefix(r.URL.Path, "/actors/") {
			writeProblem(w, mallee.ErrNotFound.Errorf("there is nothing at %s; see /docs/", r.URL.Path), "")
			return
		}
		allowed = http.MethodPost
	case strings.HasPrefix(r.URL.Path, "/actors/"):
		if r.Method == http.MethodPost {
			writeProblem(w, mallee.ErrNotFound.Errorf("the path of a call is /actors/{type}/{key}/{method}, with a key that is not empty and in percent-encoding"), "")
			return
		}
		allowed = http.MethodPost
	}
	w.Header().Set("Allow", allowed)
	writeProblemStatus(w, http.StatusMethodNotAllowed, problem{Code: mallee.CodeInvalid, Detail: r.Method + " is not allowed here, " + allowed + " is"})
}

// call runs one call of an actor.
func (h *Handler) call(w http.ResponseWriter, r *http.Request) {
	id := mallee.ID{Type: r.PathValue("type"), Key: r.PathValue("key")}
	m, err := h.services.find(&id, r.PathValue("method"))
	if err != nil {
		writeProblem(w, err, "")
		return
	}
	if err := id.Validate(); err != nil {
		writeProblem(w, err, id.String())
		return
	}
	call := m.New()
	if err := h.decode(w, r, m, call.Args()); err != nil {
		var e *http.MaxBytesError
		if errors.As(err, &e) {
			writeProblemStatus(w, http.StatusRequestEntityTooLarge, problem{Code: mallee.CodeInvalid, Actor: id.String(), Detail: err.Error()})
			return
		}
		writeProblem(w, err, id.String())
		return
	}
	if err := h.config.Caller.Invoke(r.Context(), id, call); err != nil {
		writeProblem(w, err, id.String())
		return
	}
	switch {
	case call.Flags()&mallee.OneWay != 0:
		w.WriteHeader(http.StatusAccepted)
	case !m.hasResults:
		w.WriteHeader(http.StatusNoContent)
	default:
		writeJSON(w, call.Results(), id.String())
	}
}

// ServerTimeouts bounds what a client can hold of a server that serves a
// Handler: headers, and idle connections.
func ServerTimeouts(s *http.Server) *http.Server {
	s.ReadHeaderTimeout, s.IdleTimeout = 10*time.Second, 2*time.Minute
	return s
}
