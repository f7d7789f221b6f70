package config_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mallee-io/mallee/internal/config"
)

// certificate writes one that signs itself, and its key.
func certificate(t *testing.T) config.TLS {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"node"},
		IsCA: true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	files := config.TLS{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem"), CA: filepath.Join(dir, "cert.pem")}
	for path, block := range map[string]*pem.Block{files.Cert: {Type: "CERTIFICATE", Bytes: cert}, files.Key: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

func TestTLSIsMutual(t *testing.T) {
	t.Parallel()
	server, err := certificate(t).Config()
	if err != nil {
		t.Fatal(err)
	}
	own := server.Clone()
	own.ServerName = "node"
	stranger, err := certificate(t).Config()
	if err != nil {
		t.Fatal(err)
	}
	stranger.ServerName, stranger.RootCAs = "node", server.RootCAs
	for _, test := range []struct {
		client *tls.Config
		taken  bool
	}{{own, true}, {stranger, false}} {
		near, far := net.Pipe()
		ended := make(chan struct{})
		go func() {
			_ = tls.Client(near, test.client).HandshakeContext(t.Context())
			_, _ = io.Copy(io.Discard, near) // the server's alert
			close(ended)
		}()
		err := tls.Server(far, server).HandshakeContext(t.Context())
		if (err == nil) != test.taken {
			t.Errorf("handshake: %v", err)
		}
		far.Close()
		<-ended
	}
}

func TestWrongTLS(t *testing.T) {
	t.Parallel()
	whole := certificate(t)
	if none, err := (config.TLS{}).Config(); none != nil || err != nil {
		t.Errorf("no files: %v, %v", none, err)
	}
	for want, files := range map[string]config.TLS{
		"belong together":        {Cert: whole.Cert, Key: whole.Key},
		"missing.pem":            {Cert: "missing.pem", Key: whole.Key, CA: whole.CA},
		"holds no certificate":   {Cert: whole.Cert, Key: whole.Key, CA: whole.Key},
		"failed to find any PEM": {Cert: write(t, "name: x"), Key: whole.Key, CA: whole.CA},
	} {
		if _, err := files.Config(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, and not: %s", err, want)
		}
	}
}

func TestLogHandler(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	log := slog.New(config.Log{Level: "warn", Format: "json"}.Handler(&out))
	log.Info("hidden")
	log.Warn("seen")
	if text := out.String(); strings.Contains(text, "hidden") || !strings.Contains(text, `"msg":"seen"`) {
		t.Error(text)
	}
}
