package pd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/gen/placementpb"
)

// Server is a process of the placement driver. Its methods are safe for
// concurrent use.
type Server struct {
	placementpb.UnimplementedPlacementServer
	placementpb.UnimplementedAdminServer

	config   Config // complete
	keys     keys
	etcd     *embedded // nil: one that is there is used
	port     *listener // nil: the embedded etcd serves
	client   *clientv3.Client
	ids      *ids
	election *election
	others   *others
	counts   counts
	admin    string // where health and figures are; empty: nowhere

	begun   chan struct{}   // closed when all of the above is there
	life    context.Context // ends with Stop
	end     context.CancelFunc
	running sync.WaitGroup

	stopping sync.Once
	stopped  chan struct{}
	err      error // read after stopped
}

// Start starts a process of the placement driver, and returns when it serves:
// its etcd takes part in its cluster, which needs a majority of the processes.
// That takes until ctx ends at most.
func Start(ctx context.Context, c Config) (*Server, error) {
	c, err := c.complete()
	if err != nil {
		return nil, fmt.Errorf("start placement driver: %w", err)
	}
	others, err := newOthers(c.TLS)
	if err != nil {
		return nil, fmt.Errorf("start placement driver: %w", err)
	}
	s := &Server{
		config: c, keys: newKeys(c.Cluster), election: newElection(), others: others,
		begun: make(chan struct{}), stopped: make(chan struct{}),
	}
	s.life, s.end = context.WithCancel(context.Background())
	if err := s.start(ctx); err != nil {
		s.stop(nil)
		return nil, fmt.Errorf("start placement driver: %w", errors.Join(err, s.err))
	}
	return s, nil
}

func (s *Server) start(ctx context.Context) error {
	open := s.embed
	if len(s.config.Etcd) > 0 {
		open = s.connect
	}
	if err := s.openAdmin(); err != nil {
		return err
	}
	if err := open(ctx); err != nil {
		return err
	}
	s.ids = newIDs(s.client, s.keys)
	if err := s.checkFormat(ctx); err != nil {
		return err
	}
	close(s.begun)
	s.running.Go(func() { s.observe(s.life) })
	s.running.Go(func() { s.campaign(s.life) })
	go s.watch()
	return nil
}

// embed runs etcd in this process.
func (s *Server) embed(ctx context.Context) (err error) {
	if s.etcd, err = startEtcd(ctx, s.life, &s.config, s.register, s.handlers()); err != nil {
		return err
	}
	if err := s.etcd.await(ctx); err != nil {
		return err
	}
	s.client = s.etcd.client()
	return s.etcd.promote(ctx, s.client)
}

// connect uses an etcd that is there.
func (s *Server) connect(ctx context.Context) (err error) {
	if s.client, err = dialEtcd(&s.config, s.config.Etcd); err != nil {
		return fmt.Errorf("etcd: %w", err)
	}
	if s.port, err = listen(ctx, &s.config, s.register, s.handlers()); err != nil {
		return err
	}
	if _, port, _ := net.SplitHostPort(s.config.Advertise); port == "0" {
		s.config.Advertise = s.port.addr
	}
	return nil
}

// register puts our services on etcd's gRPC server.
func (s *Server) register(g *grpc.Server) {
	placementpb.RegisterPlacementServer(g, s)
	placementpb.RegisterAdminServer(g, s)
}

// await waits until the process serves: etcd opens its port a little before.
func (s *Server) await(ctx context.Context) error {
	select {
	case <-s.begun:
		return nil
	case <-s.life.Done():
	case <-ctx.Done():
	}
	return mallee.ErrUnavailable.Errorf("the process of the placement driver starts or stops").BeforeRun()
}

// keysFormat is the version of what is in etcd.
const keysFormat = 1

// checkFormat refuses what a newer program has written.
func (s *Server) checkFormat(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*etcdPatience)
	defer cancel()
	key := s.keys.format()
	done, err := s.client.Txn(ctx).If(clientv3.Compare(clientv3.CreateRevision(key), "=", 0)).
		Then(clientv3.OpPut(key, strconv.Itoa(keysFormat))).Else(clientv3.OpGet(key)).Commit()
	if err != nil {
		return noAnswer("read "+key, err)
	}
	if done.Succeeded {
		return nil
	}
	if got := done.Responses[0].GetResponseRange().Kvs; string(got[0].Value) != strconv.Itoa(keysFormat) {
		return fmt.Errorf("the data of cluster %s has format %q, and this program knows format %d alone: use the program that has written it, or a newer one", s.config.Cluster, got[0].Value, keysFormat)
	}
	return nil
}

// watch ends the process when what it stands on has died.
func (s *Server) watch() {
	var etcdFailed, portFailed <-chan error
	var etcdStopped <-chan struct{}
	if s.etcd != nil {
		etcdFailed, etcdStopped = s.etcd.Err(), s.etcd.Server.StopNotify()
	} else {
		portFailed = s.port.failed
	}
	select {
	case err := <-etcdFailed:
		s.stop(fmt.Errorf("etcd has ended: %w", err))
	case <-etcdStopped:
		s.stop(errors.New("etcd has ended: another process may have removed this one from the cluster"))
	case err := <-portFailed:
		s.stop(fmt.Errorf("the port %s serves no more: %w", s.config.Listen, err))
	case <-s.life.Done():
	}
}

// Addr is the host:port where the process serves.
func (s *Server) Addr() string { return s.config.Advertise }

// Admin is the host:port of the health and the figures of the process; empty
// where Config has none.
func (s *Server) Admin() string { return s.admin }

// Done is closed when the process has stopped.
func (s *Server) Done() <-chan struct{} { return s.stopped }

// Err says why the process has stopped without a call of Stop; nil before.
func (s *Server) Err() error {
	select {
	case <-s.stopped:
		return s.err
	default:
		return nil
	}
}

// Stop ends the process; another one leads then, if it has led. Requests get an
// ErrUnavailable from now on. It returns when all has ended, or with ctx, when
// that ends before.
func (s *Server) Stop(ctx context.Context) error {
	go s.stop(nil)
	select {
	case <-s.stopped:
		return s.err
	case <-ctx.Done():
		return fmt.Errorf("stop placement driver: %w", context.Cause(ctx))
	}
}

func (s *Server) stop(why error) {
	s.stopping.Do(func() {
		s.end()
		s.running.Wait()
		s.others.close()
		if s.port != nil {
			s.port.stop()
		}
		if s.client != nil {
			_ = s.client.Close() // nothing is pending
		}
		if s.etcd != nil {
			why = errors.Join(why, s.etcd.stop())
		}
		s.err = why
		close(s.stopped)
	})
	<-s.stopped
}
