// Package httpapi serves actors over HTTP and JSON: each method of each
// registered type, an OpenAPI 3.1 document of them, and a page to read and try
// them that needs no other host.
//
//	POST /actors/{type}/{key}/{method}   a JSON object of named arguments
//	GET  /actors/{type}/{key}/{method}   read-only methods without arguments
//	GET  /openapi.json
//	GET  /docs/
//
// {type} is an actor type, or an interface that exactly one type serves. {key}
// is one percent-encoded path segment, so that any key can be written: a slash
// is %2F, and the keys "." and ".." are %2E and %2E%2E (which browsers do not
// send). {method} is looked for in the interfaces of the type in their order;
// Interface.Method names one of them.
//
// Every argument has to be there, and nothing else may: a request that says
// something other than the document is refused before it reaches the actor.
// An empty body is an empty object. Its Content-Type is application/json; that
// of curl -d is taken too. Inside of arguments a field may be left out when it
// has omitempty or omitzero or can be null. JSON is that of encoding/json: a
// time.Duration is a number of nanoseconds, a []byte is base64.
//
// Methods with results answer 200 and a JSON object of named results, methods
// without results 204, one-way methods 202, errors a problem document (RFC 9457)
// with the code of the error and whether repeating the call is safe.
//
// The call ends when the client goes away or after the time in a header such as
// "Mallee-Timeout: 2s".
//
// Nothing serves this unless a program does: there is no HTTP API by default.
// Whoever reaches a Handler can call every actor that it exposes, so put your
// authentication in front of it, or listen on loopback only.
// Requests of browsers that come from pages of other origins are refused. TLS,
// timeouts of connections and limits of rates belong to the server; see
// ServerTimeouts.
package httpapi

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"github.com/mallee-io/mallee"
)

// Defaults of Config.
const (
	DefaultMaxBodyBytes = 1 << 20
	DefaultMaxTimeout   = time.Minute
)

// Config says what a Handler serves. Only Caller and Types are required.
type Config struct {
	// Caller is what calls go through, such as a node.
	Caller mallee.Caller

	// Types are the actor types to serve. They need no constructor here: a
	// process that hosts no actors can serve the types of others.
	Types []mallee.Type

	// Expose says which methods are served. Defaults to all of them. Leave out
	// what only other actors should call, and what JSON cannot carry.
	Expose func(iface, method string) bool

	// Title and Version name the API in its document. Default to "Actors" and
	// "1".
	Title, Version string

	// MaxBodyBytes bounds the body of a request. 0 means DefaultMaxBodyBytes.
	MaxBodyBytes int64

	// MaxTimeout bounds the header Mallee-Timeout: a longer one is cut to it.
	// A request without the header has the default timeout of the Caller. 0
	// means DefaultMaxTimeout.
	MaxTimeout time.Duration

	// CrossOrigin says from pages of which origins browsers may call. Defaults
	// to the API's own origin only. It answers no preflight requests: for
	// those, wrap the Handler.
	CrossOrigin *http.CrossOriginProtection
}

func (c *Config) setDefaults() error {
	switch {
	case c.Caller == nil:
		return mallee.ErrInvalid.Errorf("httpapi.Config has no Caller")
	case c.MaxBodyBytes < 0:
		return mallee.ErrInvalid.Errorf("httpapi.Config: MaxBodyBytes %d is negative", c.MaxBodyBytes)
	case c.MaxTimeout < 0:
		return mallee.ErrInvalid.Errorf("httpapi.Config: MaxTimeout %v is negative", c.MaxTimeout)
	}
	if c.Expose == nil {
		c.Expose = func(string, string) bool { return true }
	}
	if c.Title == "" {
		c.Title = "Actors"
	}
	if c.Version == "" {
		c.Version = "1"
	}
	if c.MaxBodyBytes == 0 {
		c.MaxBodyBytes = DefaultMaxBodyBytes
	}
	if c.MaxTimeout == 0 {
		c.MaxTimeout = DefaultMaxTimeout
	}
	if c.CrossOrigin == nil {
		c.CrossOrigin = http.NewCrossOriginProtection()
	}
	return nil
}

// Handler serves actors. It can be mounted below a prefix with
// http.StripPrefix. It is safe for concurrent use.
type Handler struct {
	config  Config
	actors  *routes
	openapi file
	docs    map[string]file
}

var _ http.Handler = (*Handler)(nil)

// New makes a Handler. It fails with an ErrInvalid for types that contradict
// each other and for methods that JSON cannot carry.
func New(config Config) (*Handler, error) {
	if err := config.setDefaults(); err != nil {
		return nil, err
	}
	h := &Handler{config: config}
	var err error
	if h.actors, err = newRoutes(config.Types, config.Expose); err != nil {
		return nil, err
	}
	document, err := h.actors.document(config.Title, config.Version)
	if err != nil {
		return nil, err
	}
	h.openapi = newFile("application/json", document)
	if h.docs, err = docs(config.Title); err != nil {
		return nil, err
	}
	return h, nil
}

// ServeHTTP answers a request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	// Routed by hand: a ServeMux answers a path with an empty key by sending
	// the client to another path.
	path := strings.TrimPrefix(r.URL.EscapedPath(), "/")
	if call, ok := strings.CutPrefix(path, "actors/"); ok {
		h.serveCall(w, r, call)
		return
	}
	page, isPage := strings.CutPrefix(path, "docs/")
	asset, isAsset := h.docs[page]
	switch {
	case path != "" && path != "docs" && path != "openapi.json" && !(isPage && isAsset):
		writeProblem(w, mallee.ErrNotFound.Errorf("there is nothing at %s; see /docs/", r.URL.Path).BeforeRun(), mallee.ID{})
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		writeProblem(w, notAllowed(r, http.MethodGet, http.MethodHead), mallee.ID{})
	case path == "openapi.json":
		h.openapi.serve(w, r)
	case isPage:
		w.Header().Set("Content-Security-Policy", docsPolicy)
		asset.serve(w, r)
	default:
		// Relative to what the client asked for, which StripPrefix hides.
		w.Header().Set("Location", "docs/")
		w.WriteHeader(http.StatusFound)
	}
}

// file is an answer that never changes.
type file struct {
	mime    string
	etag    string // weak: it does not tell encodings apart
	content []byte
	gzipped bool
}

func newFile(mime string, content []byte) file {
	sum := sha256.Sum256(content)
	return file{mime: mime, etag: `W/"` + hex.EncodeToString(sum[:16]) + `"`, content: content}
}

// ServerTimeouts bounds what a slow client can hold of a server that serves a
// Handler: 10 seconds for the header of a request, a minute for its body, two
// minutes for an idle connection. Answers are not bounded: calls have deadlines.
func ServerTimeouts(s *http.Server) *http.Server {
	s.ReadHeaderTimeout, s.ReadTimeout, s.IdleTimeout = 10*time.Second, time.Minute, 2*time.Minute
	return s
}
