package pd

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/mallee-io/mallee/internal/gen/placementpb"
)

// forwarded marks a request that comes from another process of the placement
// driver. It is not forwarded again: two that take each other for the leader
// would send it to and fro.
const forwarded = "mallee-forwarded"

// forwardPatience is for the leader's answer.
const forwardPatience = etcdPatience + time.Second

// atLeader does a request here, where this process leads, or has the process
// do it that does lead.
func atLeader[Q, R any](
	ctx context.Context, s *Server, req *Q,
	here func(context.Context, *leader, *Q) (*R, error),
	there func(process, context.Context, *Q, ...grpc.CallOption) (*R, error),
) (*R, error) {
	if err := s.await(ctx); err != nil {
		return nil, statusOf(err)
	}
	l, addr, err := s.whoLeads(ctx)
	if err != nil {
		return nil, statusOf(err)
	}
	if l != nil {
		r, err := here(ctx, l, req)
		return r, statusOf(err)
	}
	if len(metadata.ValueFromIncomingContext(ctx, forwarded)) > 0 {
		return nil, statusOf(errNotLeader)
	}
	c, err := s.others.client(addr)
	if err != nil {
		return nil, statusOf(err)
	}
	ctx, cancel := context.WithTimeout(metadata.AppendToOutgoingContext(ctx, forwarded, s.config.Name), forwardPatience)
	defer cancel()
	r, err := there(c, ctx, req)
	if err != nil {
		return nil, statusOf(fmt.Errorf("the leader at %s: %w", addr, err))
	}
	return r, nil
}

// process asks another process of the placement driver.
type process struct {
	placementpb.PlacementClient
	placementpb.AdminClient
}

// others are connections to the other processes of the placement driver.
type others struct {
	tls *tls.Config // nil: no encryption

	mu    sync.Mutex
	conns map[string]*grpc.ClientConn // by address
}

func newOthers(t TLS) (*others, error) {
	config, err := t.client()
	return &others{tls: config, conns: make(map[string]*grpc.ClientConn)}, err
}

func (o *others) client(addr string) (process, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	conn := o.conns[addr]
	if conn == nil {
		secure := insecure.NewCredentials()
		if o.tls != nil {
			secure = credentials.NewTLS(o.tls.Clone())
		}
		var err error
		if conn, err = grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(secure)); err != nil {
			return process{}, fmt.Errorf("reach the leader at %s: %w", addr, err)
		}
		o.conns[addr] = conn
	}
	return process{placementpb.NewPlacementClient(conn), placementpb.NewAdminClient(conn)}, nil
}

// http reaches them over HTTP.
func (o *others) http() *http.Transport {
	return &http.Transport{TLSClientConfig: o.tls, MaxIdleConnsPerHost: idleConns, IdleConnTimeout: idleTime}
}

const (
	idleConns = 64
	idleTime  = time.Minute
)

func (o *others) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, conn := range o.conns {
		_ = conn.Close() // nothing is pending
	}
}
