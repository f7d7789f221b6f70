package clustertest_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/gen/placementpb"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/placement/pd"
)

// authority signs certificates for the loopback.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  ed25519.PrivateKey
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{t: t}
	var public ed25519.PublicKey
	public, a.key = newKey(t)
	a.cert = a.sign(&x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, public, time.Hour)
	return a
}

func newKey(t testing.TB) (ed25519.PublicKey, ed25519.PrivateKey) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return public, private
}

// sign issues a certificate that ends after a time; the first one is its own.
func (a *authority) sign(template *x509.Certificate, public ed25519.PublicKey, lasts time.Duration) *x509.Certificate {
	a.t.Helper()
	template.SerialNumber = big.NewInt(1)
	template.NotBefore, template.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(lasts)
	parent := a.cert
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert
}

// issue makes what a process shows to the others.
func (a *authority) issue(lasts time.Duration) (pd.TLS, *tls.Config) {
	a.t.Helper()
	public, private := newKey(a.t)
	cert := a.sign(&x509.Certificate{
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, public, lasts)
	key, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		a.t.Fatal(err)
	}
	dir := a.t.TempDir()
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			a.t.Fatal(err)
		}
		return path
	}
	files := pd.TLS{Cert: write("cert.pem", "CERTIFICATE", cert.Raw), Key: write("key.pem", "PRIVATE KEY", key), CA: write("ca.pem", "CERTIFICATE", a.cert.Raw)}
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return files, &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: private}},
		RootCAs:      pool, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS13,
	}
}

// A cluster with TLS on all its connections works, and lets no others in.
func TestMutualTLS(t *testing.T) {
	t.Parallel()
	ours := newAuthority(t)
	files, secure := ours.issue(time.Hour)
	c := newCluster(t, 3, func(config *pd.Config) { config.TLS = files })
	c.secure = secure
	c.keepInEtcd()
	c.host("node0")
	c.host("node1")
	live := call(t, c.client())
	if s := c.status("nodes", func(s *placementpb.StatusResponse) bool { return len(s.GetNodes()) == 3 }); s.GetActors() == 0 {
		t.Error("no actors") // the tools have TLS too
	}
	_, expired := ours.issue(-time.Hour)
	_, others := newAuthority(t).issue(time.Hour)
	for name, test := range map[string]struct {
		secure *tls.Config
		says   string
	}{
		"expired": {expired, "expired"}, "another authority's": {others, "certificate"}, "plain": {nil, "TLS"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		_, err := placement.DialWith(placement.DialConfig{Addrs: c.addrs(), TLS: test.secure}).Members(ctx)
		cancel()
		if !strings.Contains(mallee.AsError(err).Error(), test.says) || err == nil {
			t.Errorf("the placement driver and a node, %s: %v", name, err)
		}
		toNode(t, c, c.addr("node0"), test.secure)
	}
	for _, reason := range []string{"expired", "bad certificate", "TLS handshake"} {
		c.log.await(t, "node0: connection refused", reason)
	}
	live.goOn()
	live.end()
}

// toNode says hello to a node as a stranger, and gets no welcome.
func toNode(t *testing.T, c *cluster, addr string, secure *tls.Config) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if secure != nil {
		secure = secure.Clone()
		secure.ServerName = "127.0.0.1"
		conn = tls.Client(conn, secure)
	}
	_ = conn.SetDeadline(time.Now().Add(patience))
	_, err = conn.Write([]byte("KOLA\x0c\x00\x00\x00\x00\x00\x00\x00\x00\x01\x40\x06mallee\x07\x01\x00"))
	if err == nil {
		_, err = conn.Read(make([]byte, 1))
	}
	if timeout, ok := err.(net.Error); err == nil || ok && timeout.Timeout() { //nolint:errorlint // of a plain connection
		t.Errorf("a node talks to a stranger: %v", err)
	}
}

// A node that shows an expired certificate is told so at its start.
func TestExpiredCertificateOfANode(t *testing.T) {
	t.Parallel()
	ours := newAuthority(t)
	files, secure := ours.issue(time.Hour)
	c := newCluster(t, 1, func(config *pd.Config) { config.TLS = files })
	c.secure = secure
	_, expired := ours.issue(-time.Hour)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	n, err := node.Start(ctx, node.Config{Name: "late", PD: c.addrs(), TLS: expired})
	if err == nil {
		n.Abort()
	}
	if err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("%v", err)
	}
}
