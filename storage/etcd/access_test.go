package etcd_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"

	"github.com/mallee-io/mallee/storage"
	"github.com/mallee-io/mallee/storage/etcd"
	"github.com/mallee-io/mallee/storage/etcd/etcdtest"
)

const secret = "correct horse battery staple"

// withUsers makes a server ask for users: root, and one who may use the
// store's keys only.
func withUsers(t *testing.T) *etcdtest.Server {
	t.Helper()
	server := etcdtest.Start(t, func(c *embed.Config) { c.BcryptCost = 4 })
	enableUsers(t, server)
	return server
}

func enableUsers(t *testing.T, server *etcdtest.Server) {
	t.Helper()
	client, ctx := bare(t, server), t.Context()
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(client.RoleAdd(ctx, "root"))
	must(client.UserAdd(ctx, "root", secret))
	must(client.UserGrantRole(ctx, "root", "root"))
	must(client.RoleAdd(ctx, "mallee"))
	must(client.RoleGrantPermission(ctx, "mallee", "mallee/", clientv3.GetPrefixRangeEnd("mallee/"), clientv3.PermissionType(clientv3.PermReadWrite)))
	must(client.UserAdd(ctx, "app", secret))
	must(client.UserGrantRole(ctx, "app", "mallee"))
	must(client.AuthEnable(ctx))
}

func TestUsers(t *testing.T) {
	t.Parallel()
	server := withUsers(t)
	endpoints := server.Endpoints()
	for name, c := range map[string]struct {
		config etcd.Config
		want   string
	}{
		"no user":        {etcd.Config{}, "asks for a user: set Config.User and Password"},
		"wrong password": {etcd.Config{User: "app", Password: "correct horse"}, "authentication failed, invalid user ID or password"},
		"unknown user":   {etcd.Config{User: "nobody", Password: secret}, "authentication failed, invalid user ID or password"},
		"not permitted":  {etcd.Config{User: "app", Password: secret, Prefix: "other/"}, `does not let user "app" do that: etcdctl role grant-permission --prefix=true ROLE readwrite other/`},
	} {
		c.config.Endpoints = endpoints
		_, err := etcd.Open(t.Context(), c.config)
		wantError(t, err, c.want, endpoints[0])
		if err != nil && strings.Contains(err.Error(), "horse") {
			t.Errorf("%s: the password is in %v", name, err)
		}
	}
	s := open(t, etcd.Config{Endpoints: endpoints, User: "app", Password: secret})
	key := storage.Key{Table: "t", Key1: "a"}
	version := apply(t, s, storage.Put(key, []byte("0"), 0))[0]
	for range 3 {
		server.Restart() // which forgets who has logged in
		version = apply(t, s, storage.Put(key, []byte("0"), version))[0]
	}
	server.Restart()
	if _, err := s.Get(t.Context(), key); err != nil {
		t.Error(err)
	}
}

// A cluster begins to ask for users while the store is open.
func TestUsersFromNowOn(t *testing.T) {
	t.Parallel()
	server := etcdtest.Start(t, func(c *embed.Config) { c.BcryptCost = 4 })
	s := open(t, etcd.Config{Endpoints: server.Endpoints(), User: "app", Password: secret})
	stranger := open(t, etcd.Config{Endpoints: server.Endpoints()})
	key := storage.Key{Table: "t", Key1: "a"}
	version := apply(t, s, storage.Put(key, []byte("0"), 0))[0]
	enableUsers(t, server)
	apply(t, s, storage.Put(key, []byte("0"), version))
	_, err := stranger.Get(t.Context(), key)
	wantError(t, err, "asks for a user")
}

func TestTLS(t *testing.T) {
	t.Parallel()
	var dir string
	server := etcdtest.Start(t, func(c *embed.Config) {
		c.ClientAutoTLS = true
		c.ListenClientUrls[0].Scheme, c.AdvertiseClientUrls[0].Scheme = "https", "https"
		dir = c.Dir
	})
	host := server.Endpoints()[0]
	certificate, err := os.ReadFile(filepath.Join(dir, "fixtures", "client", "cert.pem"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(certificate)
	parsed, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	known := x509.NewCertPool()
	known.AddCert(parsed)
	for _, endpoint := range []string{host, "https://" + host} {
		s := open(t, etcd.Config{Endpoints: []string{endpoint}, TLS: &tls.Config{RootCAs: known}})
		if _, err := s.Get(t.Context(), storage.Key{Table: "t", Key1: "a"}); !errors.Is(err, storage.ErrNotFound) {
			t.Error(err)
		}
	}
	for want, config := range map[string]etcd.Config{
		"unknown authority":    {Endpoints: []string{"https://" + host}},
		"unknown  authority":   {Endpoints: []string{host}, TLS: &tls.Config{}},
		"error reading server": {Endpoints: []string{host}},
	} {
		err := openBriefly(t, config)
		wantError(t, err, strings.ReplaceAll(want, "  ", " "), host)
		if !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("%v is no ErrUnavailable", err)
		}
	}
}

func openBriefly(t *testing.T, config etcd.Config) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	s, err := etcd.Open(ctx, config)
	if err == nil {
		s.Close()
	}
	return err
}

func TestNobodyThere(t *testing.T) {
	t.Parallel()
	useless := startProxy(t, "127.0.0.1:1")
	for _, config := range []etcd.Config{
		{Endpoints: []string{"127.0.0.1:1"}},
		{Endpoints: []string{"127.0.0.1:1"}, User: "app", Password: secret},
		{Endpoints: []string{"http://127.0.0.1:1", "http://127.0.0.1:2"}},
		{Endpoints: []string{useless.address()}},
	} {
		err := openBriefly(t, config)
		wantError(t, err, strings.Join(config.Endpoints, ", "))
		if !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("%v is no ErrUnavailable", err)
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("the password is in %v", err)
		}
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	one := []string{"127.0.0.1:2379"}
	for want, config := range map[string]etcd.Config{
		"no endpoints":               {},
		"has no host":                {Endpoints: []string{"http://"}},
		"want host:port":             {Endpoints: []string{"ftp://x"}},
		"have their own fields":      {Endpoints: []string{"http://app:" + secret + "@127.0.0.1"}},
		"would not use TLS":          {Endpoints: []string{"http://127.0.0.1:2379"}, TLS: &tls.Config{}},
		"write all alike":            {Endpoints: []string{"https://a:2379", "b:2379"}},
		"a user needs a password":    {Endpoints: one, User: "app"},
		"and a password a user":      {Endpoints: one, Password: secret},
		"is not UTF-8":               {Endpoints: one, Prefix: "\xff"},
		"a limit is below 0":         {Endpoints: one, MaxTxnOps: -1},
		"a limit is below 0: give t": {Endpoints: one, MaxRequestBytes: -1},
	} {
		_, err := etcd.Open(t.Context(), config)
		wantError(t, err, "open store in etcd: ", want)
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("the password is in %v", err)
		}
	}
}
