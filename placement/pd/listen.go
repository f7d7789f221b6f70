package pd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	"google.golang.org/grpc"
)

// listener serves gRPC and HTTP on one port, where no etcd is embedded that
// would do it.
type listener struct {
	addr   string
	server *http.Server
	grpc   *grpc.Server
	failed chan error // has room for one
}

// headerPatience bounds how long a connection may take to say what it wants.
const headerPatience = 10 * time.Second

func listen(ctx context.Context, c *Config, services func(*grpc.Server), handlers map[string]http.Handler) (*listener, error) {
	var config net.ListenConfig
	on, err := config.Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return nil, fmt.Errorf("%w; choose another address with --listen", err)
	}
	l := &listener{addr: on.Addr().String(), grpc: grpc.NewServer(), failed: make(chan error, 1)}
	services(l.grpc)
	mux := http.NewServeMux()
	for path, h := range handlers {
		mux.Handle(path, h)
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	l.server = &http.Server{Handler: l.split(mux), Protocols: protocols, ReadHeaderTimeout: headerPatience}
	serve := func() error { return l.server.Serve(on) }
	if !c.TLS.empty() {
		info := transport.TLSInfo{CertFile: c.TLS.Cert, KeyFile: c.TLS.Key, TrustedCAFile: c.TLS.CA, ClientCertAuth: true}
		if l.server.TLSConfig, err = info.ServerConfig(); err != nil {
			return nil, errors.Join(fmt.Errorf("TLS: %w", err), on.Close())
		}
		serve = func() error { return l.server.ServeTLS(on, "", "") }
	}
	go func() { l.failed <- serve() }()
	return l, nil
}

// split gives requests of gRPC to its server.
func (l *listener) split(other http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 2 && strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
			l.grpc.ServeHTTP(w, r)
			return
		}
		other.ServeHTTP(w, r)
	})
}

// closePatience is for requests that are being answered.
const closePatience = 2 * time.Second

func (l *listener) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), closePatience)
	defer cancel()
	if l.server.Shutdown(ctx) != nil {
		_ = l.server.Close() // cuts what has not ended
	}
	l.grpc.Stop()
}
