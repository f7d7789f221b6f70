package ingress

import (
	"log/slog"
	"net/http"
	"time"
)

// Limits of connections.
const (
	headerTimeout = 10 * time.Second
	idleTimeout   = 12 * time.Hour
	maxHeaders    = 64 << 10 // bytes of a request's headers
	maxStreams    = 4096     // calls at once on one connection of HTTP/2
	pingAfter     = time.Minute
	writeStall    = time.Minute // without a byte written to a client that has some to get
)

// NewServer makes the server of a handler: HTTP/1.1 and HTTP/2 without TLS on one
// port. The caller listens, with Listen, serves and shuts down.
//
// A client that sends no whole header in ten seconds, does not answer a ping, or
// takes no byte for a minute while some are due is disconnected; one that is idle
// after twelve hours.
func NewServer(handler http.Handler, log *slog.Logger) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:           handler,
		Protocols:         protocols,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaders,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: maxStreams,
			SendPingTimeout:      pingAfter,
			WriteByteTimeout:     writeStall,
		},
	}
}
