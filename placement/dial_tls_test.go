package placement_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/mallee-io/mallee"
	pb "github.com/mallee-io/mallee/internal/gen/placementpb"
	"github.com/mallee-io/mallee/placement"
)

// selfSigned makes both ends prove that they hold the one certificate.
func selfSigned(t *testing.T) *tls.Config {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: private}},
		RootCAs:      pool, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS13,
	}
}

func TestDialOverTLS(t *testing.T) {
	t.Parallel()
	secure := selfSigned(t)
	f := newFake(t, 0)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &process{f: f, addr: l.Addr().String(), server: grpc.NewServer(grpc.Creds(credentials.NewTLS(secure)))}
	f.procs = append(f.procs, p)
	pb.RegisterPlacementServer(p.server, p)
	go func() { _ = p.server.Serve(l) }()

	d := placement.DialWith(placement.DialConfig{Addrs: []string{p.addr}, TLS: secure})
	lease, err := d.Join(ctx(t), placement.Member{Name: "a", Types: hosts}, nil)
	if err != nil {
		t.Fatal(err)
	}
	node{d, lease.ID}.locate(t, "1")
	if err := d.Leave(ctx(t), lease.ID); err != nil {
		t.Fatal(err)
	}
	for name, wrong := range map[string]*tls.Config{"plain": nil, "another authority's": selfSigned(t)} {
		short, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		_, err := placement.DialWith(placement.DialConfig{Addrs: []string{p.addr}, TLS: wrong}).Members(short)
		cancel()
		if !errors.Is(err, mallee.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
