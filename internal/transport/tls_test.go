package transport_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"math/big"
	"net"
	"testing"
	"time"

	"github.com/mallee-io/mallee/internal/transport"
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

// Who has no certificate is no node.
func TestPeerWithoutCertificate(t *testing.T) {
	t.Parallel()
	log := make(logged, 100)
	config := selfSigned(t)
	f := newOverTCP(transport.TCPConfig{TLS: config, Log: slog.New(log)})
	b := join(t, f, 2)
	for from, config := range map[placement.NodeID]*tls.Config{
		3: {RootCAs: config.RootCAs, MinVersion: tls.VersionTLS13},
		4: selfSigned(t), // another authority's
		5: nil,
	} {
		f.config.TLS, f.config.Log = config, slog.New(slog.DiscardHandler)
		if err := join(t, f, from).send(2, request(1, "")); !isUnreachable(err) {
			t.Errorf("node %s: %v", from, err)
		}
		log.expect(t, "tls: ")
	}
	if len(b.got) > 0 {
		t.Error("it has been heard")
	}
}
