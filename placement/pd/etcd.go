package pd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/fileutil"
	"go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"
	"google.golang.org/grpc"

	clientv3 "go.etcd.io/etcd/client/v3"
)

const (
	// History is for watches that were interrupted, and for what a process that
	// starts wants to know of the last minute.
	etcdHistory = "10m"
	// etcdQuota bounds its data. Nodes may keep theirs in it too.
	etcdQuota = 8 << 30
	// slowRequest is worth a warning.
	slowRequest = time.Second
	// etcdPatience is for one request.
	etcdPatience = 5 * time.Second
)

// embedded is the etcd of this process.
type embedded struct {
	*embed.Etcd
	lock io.Closer // of the directory
}

// startEtcd starts the embedded etcd with our services on its client port. It
// returns before etcd has found its leader. Its log ends with life.
func startEtcd(ctx, life context.Context, c *Config, services func(*grpc.Server), handlers map[string]http.Handler) (e *embedded, err error) {
	lock, err := lockDir(c.Dir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(explain(c, err), lock.Close())
		}
	}()
	config, err := embeddedConfig(ctx, life, c)
	if err != nil {
		return nil, err
	}
	config.ServiceRegister, config.UserHandlers = services, handlers
	running, err := embed.StartEtcd(config)
	if err != nil {
		return nil, err
	}
	return &embedded{running, lock}, nil
}

// await waits until etcd takes part in its cluster.
func (e *embedded) await(ctx context.Context) error {
	select {
	case <-e.Server.ReadyNotify():
		return nil
	case err := <-e.Err():
		return fmt.Errorf("etcd: %w", err)
	case <-e.Server.StopNotify():
		return errors.New("etcd has stopped: another process may have removed this one from the cluster")
	case <-ctx.Done():
		return fmt.Errorf("etcd finds no majority of its cluster; do the other processes run? %w", context.Cause(ctx))
	}
}

func (e *embedded) client() *clientv3.Client { return v3client.New(e.Server) }

func (e *embedded) stop() error {
	// One that has never become ready would wait for that in Close.
	select {
	case <-e.Server.ReadyNotify():
	default:
		e.Server.Stop()
	}
	e.Close()
	return e.lock.Close()
}

// lockDir makes the directory and sees to it that no other process uses it:
// etcd itself would wait for the other one to end.
func lockDir(dir string) (io.Closer, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	lock, err := fileutil.TryLockFile(filepath.Join(dir, "mallee.lock"), os.O_WRONLY|os.O_CREATE, 0o600)
	if errors.Is(err, fileutil.ErrLocked) {
		return nil, fmt.Errorf("the data directory %s is in use by another process: give each its own", dir)
	}
	if err != nil {
		return nil, fmt.Errorf("lock data directory: %w", err)
	}
	return lock, nil
}

func embeddedConfig(ctx, life context.Context, c *Config) (*embed.Config, error) {
	config := embed.NewConfig()
	config.Name, config.Dir = c.Name, c.Dir
	config.ZapLoggerBuilder = embed.NewZapLoggerBuilder(etcdLog(life, c.Log))
	config.EnableGRPCGateway = false
	config.WarningUnaryRequestDuration = slowRequest
	config.AutoCompactionMode, config.AutoCompactionRetention = embed.CompactorModePeriodic, etcdHistory
	config.QuotaBackendBytes = etcdQuota
	config.ListenClientUrls, config.AdvertiseClientUrls = []url.URL{c.url(c.Listen)}, []url.URL{c.url(c.Advertise)}
	config.ListenPeerUrls, config.AdvertisePeerUrls = []url.URL{c.url(c.PeerListen)}, []url.URL{c.url(c.PeerAdvertise)}
	advertised := c.url(c.Advertise)
	config.CORS = map[string]struct{}{advertised.String(): {}} // no web page of others may ask
	config.InitialClusterToken = "mallee-" + c.Cluster
	if !c.TLS.empty() {
		info := transport.TLSInfo{CertFile: c.TLS.Cert, KeyFile: c.TLS.Key, TrustedCAFile: c.TLS.CA, ClientCertAuth: true}
		config.ClientTLSInfo, config.PeerTLSInfo = info, info
	}
	if c.Join != "" && !hasData(c.Dir) {
		cluster, err := join(ctx, c)
		if err != nil {
			return nil, fmt.Errorf("join %s: %w", c.Join, err)
		}
		config.InitialCluster, config.ClusterState = cluster, embed.ClusterStateFlagExisting
		return config, nil
	}
	cluster, err := c.peers()
	if err != nil && !hasData(c.Dir) {
		return nil, err
	}
	config.InitialCluster = cluster
	return config, nil
}

// hasData reports whether etcd has ever run in a directory. One that was
// refused leaves other files.
func hasData(dir string) bool {
	logs, err := filepath.Glob(filepath.Join(dir, "member", "wal", "*.wal"))
	return err == nil && len(logs) > 0
}

// explain says what to do about the errors of etcd that operators meet.
func explain(c *Config, err error) error {
	switch text := err.Error(); {
	case strings.Contains(text, "has already been bootstrapped"):
		return fmt.Errorf("the cluster knows a process %s that has data, and %s has none: give it back its directory, or, when that is lost, start it with --join and --replace", c.Name, c.Dir)
	case strings.Contains(text, "address already in use"):
		return fmt.Errorf("%w; choose other ports with --listen and --peer-listen", err)
	}
	return fmt.Errorf("etcd: %w", err)
}
