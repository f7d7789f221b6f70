package pd_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	"github.com/mallee-io/mallee/internal/gen/placementpb"
	"github.com/mallee-io/mallee/placement/pd"
	"github.com/mallee-io/mallee/storage/etcd/etcdtest"
)

// certificate writes one that signs itself, so that all who have it trust each
// other.
func certificate(t testing.TB) (pd.TLS, *tls.Config) {
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
	key, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cert := write("cert.pem", "CERTIFICATE", der)
	files := pd.TLS{Cert: cert, Key: write("key.pem", "PRIVATE KEY", key), CA: cert}
	pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return files, &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: pool, MinVersion: tls.VersionTLS12}
}

func tryJoin(t testing.TB, addr string, secure credentials.TransportCredentials) error {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(secure))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, err = placementpb.NewPlacementClient(conn).Join(within(t), &placementpb.JoinRequest{Cluster: "mallee", Member: &placementpb.Member{Addr: "a:1"}})
	return err
}

// With TLS all ports need a certificate, and processes forward to each other,
// be etcd embedded or not.
func TestTLS(t *testing.T) {
	t.Parallel()
	files, secure := certificate(t)
	embedded := trio(t)
	for i := range embedded {
		embedded[i].TLS = files
		embedded[i].InitialCluster = strings.ReplaceAll(embedded[i].InitialCluster, "http:", "https:")
	}
	etcd := etcdtest.Start(t)
	beside := []pd.Config{{Name: "a"}, {Name: "b"}}
	for i := range beside {
		beside[i].Listen, beside[i].TLS, beside[i].Etcd = "127.0.0.1:0", files, []string{"http://" + etcd.Endpoints()[0]}
	}
	for _, all := range [][]pd.Config{embedded, beside} {
		for _, s := range startAll(t, all) { // one of them leads
			if err := tryJoin(t, s.Addr(), credentials.NewTLS(secure)); err != nil {
				t.Error(err)
			}
			stranger := secure.Clone()
			stranger.Certificates = nil
			if err := tryJoin(t, s.Addr(), credentials.NewTLS(stranger)); status.Code(err) != codes.Unavailable {
				t.Errorf("without a certificate: %v", err)
			}
			koala := &http.Client{Transport: &http.Transport{TLSClientConfig: secure}}
			r, err := http.NewRequestWithContext(within(t), http.MethodPost, "https://"+s.Addr()+"/pd/api/v1/placement/find_position", strings.NewReader(`{"actor_type":"X","actor_id":"1"}`))
			if err != nil {
				t.Fatal(err)
			}
			answer, err := koala.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			var text string
			if err := json.NewDecoder(answer.Body).Decode(&text); err != nil || text != "not find actor type" {
				t.Errorf("%d %q, %v", answer.StatusCode, text, err)
			}
			_ = answer.Body.Close()
			koala.CloseIdleConnections()
		}
	}
}
