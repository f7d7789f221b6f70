package etcd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Config says where the cluster is, and what the store may ask of it.
type Config struct {
	// Endpoints are members of the cluster, as host:port or as URLs of scheme
	// http or https. One is needed; calls go round those that answer.
	Endpoints []string
	// TLS is for endpoints without a scheme and for https. Defaults to no
	// encryption for the former, to the system's authorities for the latter.
	TLS *tls.Config
	// User and Password are those of a cluster that asks for them. The user
	// needs to read and write the keys that begin with Prefix.
	User, Password string
	// Prefix is what all keys of the store begin with. Stores share a cluster
	// if neither prefix begins with the other. Defaults to "mallee/".
	Prefix string
	// MaxRequestBytes is the servers' --max-request-bytes. A batch, in which
	// each key counts thrice, has to fit. Defaults to 1.5 MiB, as theirs does.
	MaxRequestBytes int
	// MaxTxnOps is the servers' --max-txn-ops. A batch has at most three rows
	// fewer. Defaults to 128, as theirs does.
	MaxTxnOps int
}

const (
	defaultPrefix     = "mallee/"
	defaultMaxRequest = 3 << 19
	defaultMaxTxnOps  = 128
)

// complete fills in defaults and refuses what the client would silently take
// for something else.
func (c Config) complete() (Config, error) {
	if len(c.Endpoints) == 0 {
		return c, errors.New("no endpoints: name at least one host:port")
	}
	for _, endpoint := range c.Endpoints {
		if err := c.checkEndpoint(endpoint); err != nil {
			return c, err
		}
	}
	if (c.User == "") != (c.Password == "") {
		return c, errors.New("a user needs a password, and a password a user")
	}
	if !utf8.ValidString(c.Prefix) {
		return c, fmt.Errorf("the prefix %q is not UTF-8", c.Prefix)
	}
	if c.MaxRequestBytes < 0 || c.MaxTxnOps < 0 {
		return c, errors.New("a limit is below 0: give that of the servers, or 0 for their default")
	}
	if c.Prefix == "" {
		c.Prefix = defaultPrefix
	}
	if c.MaxRequestBytes == 0 {
		c.MaxRequestBytes = defaultMaxRequest
	}
	if c.MaxTxnOps == 0 {
		c.MaxTxnOps = defaultMaxTxnOps
	}
	return c, nil
}

func (c *Config) checkEndpoint(endpoint string) error {
	scheme, host, found := strings.Cut(endpoint, "://")
	if !found {
		scheme, host = "", endpoint
	}
	secure := func(endpoint string) bool { return strings.HasPrefix(endpoint, "https://") }
	switch {
	case strings.Contains(host, "@"):
		return errors.New("an endpoint contains an @: user and password have their own fields")
	case scheme != "" && scheme != "http" && scheme != "https":
		return fmt.Errorf("endpoint %q: want host:port, or a URL of scheme http or https", endpoint)
	case host == "":
		return fmt.Errorf("endpoint %q has no host", endpoint)
	case scheme == "http" && c.TLS != nil:
		return fmt.Errorf("endpoint %q would not use TLS: write https, or leave TLS out", endpoint)
	case secure(endpoint) != secure(c.Endpoints[0]):
		return errors.New("some endpoints are of scheme https and some are not: write all alike")
	}
	return nil
}

const (
	// A connection whose other end says nothing is given up after the sum.
	keepAlive        = 10 * time.Second
	keepAliveTimeout = 5 * time.Second
	dialTimeout      = 5 * time.Second
	// slowestRedial is how long after its return a server is looked for again.
	slowestRedial = 2 * time.Second
)

// connect makes a client. With a user it also logs in, until ctx ends.
func (c *Config) connect(ctx context.Context) (*clientv3.Client, error) {
	life, end := context.WithCancel(context.Background())
	stop := context.AfterFunc(ctx, end)
	redial := backoff.DefaultConfig
	redial.BaseDelay, redial.MaxDelay = 100*time.Millisecond, slowestRedial
	client, err := clientv3.New(clientv3.Config{
		Context:              life,
		Endpoints:            c.Endpoints,
		TLS:                  c.TLS,
		Username:             c.User,
		Password:             c.Password,
		Logger:               zap.NewNop(), // errors come back from calls
		MaxCallSendMsgSize:   c.MaxRequestBytes + grpcOverhead,
		MaxCallRecvMsgSize:   c.maxAnswer(),
		DialKeepAliveTime:    keepAlive,
		DialKeepAliveTimeout: keepAliveTimeout,
		// The client repeats some requests by itself, and among them writes that
		// may have been done: a server that runs out of time says so in the same
		// way as a call that never started. So it tries once; see try.
		MaxUnaryRetries: 1,
		DialOptions: []grpc.DialOption{
			grpc.WithConnectParams(grpc.ConnectParams{Backoff: redial, MinConnectTimeout: dialTimeout}),
			grpc.WithChainUnaryInterceptor(keepReason),
		},
	})
	stop()
	if err != nil {
		end()
		return nil, err
	}
	return client, nil
}

// grpcOverhead is what servers take on top of the largest request.
const grpcOverhead = 512 << 10

// maxAnswer bounds the memory that a page of rows takes. The largest row fits.
func (c *Config) maxAnswer() int { return max(16<<20, 2*(c.MaxRequestBytes+grpcOverhead)) }

// keepReason saves what a call has waited for, such as a refused connection or
// an unknown certificate: the client would drop it for the error of the
// context, which the store looks at anyway.
func keepReason(ctx context.Context, method string, request, answer any, conn *grpc.ClientConn, call grpc.UnaryInvoker, options ...grpc.CallOption) error {
	err := call(ctx, method, request, answer, conn, options...)
	if code := status.Code(err); code == codes.DeadlineExceeded || code == codes.Canceled {
		return status.Error(codes.Unavailable, status.Convert(err).Message())
	}
	return err
}
