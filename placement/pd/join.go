package pd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"go.etcd.io/etcd/client/pkg/v3/transport"
	"go.uber.org/zap"

	clientv3 "go.etcd.io/etcd/client/v3"
)

const joinPause = 100 * time.Millisecond

// join adds this process to a running cluster, and returns what its etcd has to
// know of the others. It may be repeated: a process that was added and has not
// started is known by its peer address.
func join(ctx context.Context, c *Config) (initialCluster string, err error) {
	client, err := dialEtcd(c, []string{c.Join})
	if err != nil {
		return "", err
	}
	defer func() { _ = client.Close() }() // nothing is pending
	ctx, cancel := context.WithTimeout(ctx, 6*etcdPatience)
	defer cancel()
	list, err := client.MemberList(ctx)
	if err != nil {
		return "", err
	}
	peer := c.url(c.PeerAdvertise)
	members := list.Members
	known := false
	for _, m := range list.Members {
		here := len(m.PeerURLs) > 0 && m.PeerURLs[0] == peer.String()
		switch {
		case m.Name == "" && here:
			known = true
		case m.Name == c.Name && !c.Replace:
			return "", fmt.Errorf("the cluster has a process %s; choose another name, or, when its data is lost, add --replace", c.Name)
		case m.Name == c.Name || here && c.Replace:
			removed, err := client.MemberRemove(ctx, m.ID)
			if err != nil {
				return "", fmt.Errorf("remove the old process: %w", err)
			}
			members = removed.Members
		}
	}
	if !known {
		added, err := addMember(ctx, client, peer.String())
		if err != nil {
			return "", fmt.Errorf("add the process: %w", err)
		}
		members = added
	}
	return clusterText(members, c.Name, peer.String()), nil
}

// addMember adds a learner, which does not count for the majority until it has
// caught up and is promoted. It waits while etcd finds its cluster too weak to
// grow, or learns another one.
func addMember(ctx context.Context, client *clientv3.Client, peer string) ([]*etcdserverpb.Member, error) {
	for {
		added, err := client.MemberAddAsLearner(ctx, []string{peer})
		if err == nil {
			return added.Members, nil
		}
		if !errors.Is(err, rpctypes.ErrUnhealthy) && !errors.Is(err, rpctypes.ErrTooManyLearners) {
			return nil, err
		}
		if pause(ctx, joinPause); ctx.Err() != nil {
			return nil, err
		}
	}
}

// promote makes this process a full member of its cluster, if it is not yet:
// once it has caught up.
func (e *embedded) promote(ctx context.Context, client *clientv3.Client) error {
	for e.Server.IsLearner() {
		if _, err := client.MemberPromote(ctx, uint64(e.Server.MemberID())); err == nil {
			continue // until this process has heard of it
		} else if pause(ctx, joinPause); ctx.Err() != nil {
			return fmt.Errorf("become a member of the cluster: %w", err)
		}
	}
	return nil
}

func clusterText(members []*etcdserverpb.Member, name, peer string) string {
	var parts []string
	for _, m := range members {
		for _, u := range m.PeerURLs {
			if u == peer {
				parts = append(parts, name+"="+u)
			} else if m.Name != "" {
				parts = append(parts, m.Name+"="+u)
			}
		}
	}
	return strings.Join(parts, ",")
}

// dialEtcd makes a client of an etcd that runs elsewhere.
func dialEtcd(c *Config, endpoints []string) (*clientv3.Client, error) {
	config, err := c.TLS.client()
	if err != nil {
		return nil, err
	}
	return clientv3.New(clientv3.Config{
		Endpoints:            endpoints,
		TLS:                  config,
		Logger:               zap.NewNop(), // errors come back from calls
		DialTimeout:          etcdPatience,
		DialKeepAliveTime:    2 * time.Second, // a server that is gone must not cost a lease
		DialKeepAliveTimeout: 2 * time.Second,
	})
}

// client is for connections to other processes; nil without encryption.
func (t TLS) client() (*tls.Config, error) {
	if t.empty() {
		return nil, nil
	}
	info := transport.TLSInfo{CertFile: t.Cert, KeyFile: t.Key, TrustedCAFile: t.CA}
	config, err := info.ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("TLS: %w", err)
	}
	return config, nil
}
