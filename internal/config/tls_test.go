package config_test

import (
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/mallee-io/mallee/internal/config"
	"github.com/mallee-io/mallee/internal/tlstest"
)

func certificate(t *testing.T) config.TLS { return config.TLS(tlstest.Certificate(t)) }

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
