package pd_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	settings "github.com/mallee-io/mallee/internal/config"
	"github.com/mallee-io/mallee/internal/gen/placementpb"
	"github.com/mallee-io/mallee/internal/tlstest"
	"github.com/mallee-io/mallee/placement/pd"
	"github.com/mallee-io/mallee/storage/etcd/etcdtest"
)

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
	files := pd.TLS(tlstest.Certificate(t))
	secure, err := settings.TLS(files).Config()
	if err != nil {
		t.Fatal(err)
	}
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
