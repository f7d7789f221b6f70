package placement

import (
	"context"
	"crypto/tls"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	grpcbackoff "google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/mallee-io/mallee"
	pb "github.com/mallee-io/mallee/internal/gen/placementpb"
)

const (
	// maxMessage bounds what a process may send at once, in bytes.
	maxMessage = 16 << 20
	// patience bounds a call whose context has no end.
	patience = 10 * time.Second
)

// processes are those of the placement driver. Connections exist while somebody
// uses them, so that nothing is left when a node has left.
type processes struct {
	addrs   []string
	options []grpc.DialOption

	mu       sync.Mutex
	users    int
	conns    map[string]*grpc.ClientConn
	answered string // address of the process that has answered last
}

func newProcesses(addrs []string, secure *tls.Config) *processes {
	p := &processes{conns: make(map[string]*grpc.ClientConn)}
	for _, addr := range addrs {
		if addr = strings.TrimSpace(addr); addr != "" && !slices.Contains(p.addrs, addr) {
			p.addrs = append(p.addrs, addr)
		}
	}
	transport := insecure.NewCredentials()
	if secure != nil {
		transport = credentials.NewTLS(secure)
	}
	p.options = []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithNoProxy(),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           grpcbackoff.Config{BaseDelay: minPause, Multiplier: 2, Jitter: 0.5, MaxDelay: maxPause},
			MinConnectTimeout: attemptTimeout,
		}),
	}
	return p
}

func (p *processes) use() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.users++
}

// done ends a use; the last one closes all connections.
func (p *processes) done() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.users--
	if p.users > 0 {
		return
	}
	for addr, conn := range p.conns {
		_ = conn.Close() // can only say that it is closed already
		delete(p.conns, addr)
	}
}

// client is for those who use the processes.
func (p *processes) client(addr string) (pb.PlacementClient, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	conn := p.conns[addr]
	if conn == nil {
		var err error
		conn, err = grpc.NewClient("passthrough:///"+addr, p.options...) // connects when it is used
		if err != nil {
			return nil, err
		}
		p.conns[addr] = conn
	}
	return pb.NewPlacementClient(conn), nil
}

// forget closes the connection to a process that is none of the configured ones.
func (p *processes) forget(addr string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if conn := p.conns[addr]; conn != nil && !slices.Contains(p.addrs, addr) {
		_ = conn.Close()
		delete(p.conns, addr)
	}
}

// order lists the addresses, that which has answered last in front.
func (p *processes) order() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := max(0, slices.Index(p.addrs, p.answered))
	return slices.Concat(p.addrs[i:], p.addrs[:i])
}

func (p *processes) answers(addr string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answered = addr
}

// call tries a unary call at one process after the other until one answers, the
// answer is final, or the context ends. Each attempt takes at most a time.
func (p *processes) call(ctx context.Context, what string, attempt time.Duration, f func(context.Context, pb.PlacementClient) error) error {
	if len(p.addrs) == 0 {
		return mallee.ErrInvalid.Errorf("%s: no address of the placement driver is given; give placement.Dial one, such as pd1:2379", what).BeforeRun()
	}
	if _, limited := ctx.Deadline(); !limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, patience)
		defer cancel()
	}
	p.use()
	defer p.done()
	var tried failures
	for pause := (backoff{}); ; {
		for _, addr := range p.order() {
			err := p.try(ctx, addr, attempt, f)
			if err == nil {
				p.answers(addr)
				return nil
			}
			if final := refusal(what, err); final != nil {
				return final
			}
			tried.note(addr, err)
			if ctx.Err() != nil {
				break
			}
		}
		if !wait(ctx, pause.next()) {
			return mallee.ErrUnavailable.Errorf("%s: %s", what, &tried)
		}
	}
}

func (p *processes) try(ctx context.Context, addr string, attempt time.Duration, f func(context.Context, pb.PlacementClient) error) error {
	client, err := p.client(addr)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	return f(ctx, client)
}
