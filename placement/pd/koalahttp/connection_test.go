package koalahttp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mallee-io/mallee/placement/pd/koalahttp"
)

// wires connects clients with servers in the bubble of a test, by name.
type wires map[string]*listener

type listener struct {
	connections chan net.Conn
	closed      chan struct{}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.connections:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error   { close(l.closed); return nil }
func (l *listener) Addr() net.Addr { return &net.TCPAddr{} }

// serve runs a server until the end of the test.
func (w wires) serve(t *testing.T, name string, h http.Handler) {
	l := &listener{make(chan net.Conn), make(chan struct{})}
	w[name] = l
	server := &http.Server{Handler: h}
	stopped := make(chan struct{})
	go func() { defer close(stopped); _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close(); <-stopped })
}

func (w wires) dial(ctx context.Context, _, addr string) (net.Conn, error) {
	l := w[strings.TrimSuffix(addr, ":80")]
	if l == nil {
		return nil, errors.New("connection refused")
	}
	here, there := net.Pipe()
	select {
	case l.connections <- there:
		return here, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// transport opens a connection for each request, as Python hosts do.
func (w wires) transport() *http.Transport {
	return &http.Transport{DialContext: w.dial, DisableKeepAlives: true}
}

func (w wires) post(t *testing.T, url string, body io.Reader) (*http.Response, error) {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, body)
	if err != nil {
		t.Fatal(err)
	}
	return w.transport().RoundTrip(r)
}

// troubled is a cluster that fails until a time, at once or after as long as
// it is let.
type troubled struct {
	koalahttp.Cluster
	until time.Time
	hangs bool
}

func (c troubled) wait(ctx context.Context) error {
	if !time.Now().Before(c.until) {
		return nil
	}
	if c.hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	return errors.New("etcdserver: no leader")
}

func (c troubled) KeepAlive(ctx context.Context, id, lease, load int64) error {
	return errors.Join(c.wait(ctx), c.Cluster.KeepAlive(ctx, id, lease, load))
}

func (c troubled) NextID(ctx context.Context) (int64, error) {
	if err := c.wait(ctx); err != nil {
		return 0, err
	}
	return c.Cluster.NextID(ctx)
}

const keepAliveBody = `{"server_id":1,"lease_id":1,"load":0}`

// TestKeepAliveThroughTrouble checks that a host outlives trouble: nothing but
// the loss of its lease gets an answer that makes it exit.
func TestKeepAliveThroughTrouble(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		trouble time.Duration
		hangs   bool
		final   error
		status  int // 0: none
		after   time.Duration
	}{
		{name: "none", status: 200},
		{name: "short", trouble: 3 * time.Second, status: 200, after: 3150 * time.Millisecond},
		{name: "long", trouble: 5 * time.Second, after: 4 * time.Second},
		{name: "hangs", trouble: 5 * time.Second, hangs: true, after: 4 * time.Second},
		{name: "lease lost", final: koalahttp.ErrNoLease, status: 400},
		{name: "deleted", final: koalahttp.ErrNoHost, status: 400},
	} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			w := wires{}
			w.serve(t, "pd", newHandler(troubled{&fixed{err: c.final}, start.Add(c.trouble), c.hangs}))
			url := "http://pd" + koalahttp.Prefix + "/membership/keep_alive"
			response, err := w.post(t, url, strings.NewReader(keepAliveBody))
			if took := time.Since(start); took != c.after {
				t.Errorf("%s: took %v, want %v", c.name, took, c.after)
			}
			switch {
			case err == nil && response.StatusCode != c.status:
				t.Errorf("%s: %d %s, want %d", c.name, response.StatusCode, readAll(t, response), c.status)
			case err == nil:
				readAll(t, response)
			case c.status != 0 || !errors.Is(err, io.EOF):
				t.Errorf("%s: %v, want status %d, or the end of the connection", c.name, err, c.status)
			}
		})
	}
}

// TestOtherRoutesThroughTrouble checks that others wait too, and then are told.
func TestOtherRoutesThroughTrouble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		h := newHandler(troubled{&fixed{id: 5}, start.Add(6 * time.Second), false})
		w := request(h, http.MethodPost, koalahttp.Prefix+"/id/new_server_id", "{}")
		if w.Code != 500 || w.Body.String() != `"etcdserver: no leader"` || time.Since(start) != 4*time.Second {
			t.Errorf("%d %s after %v", w.Code, w.Body, time.Since(start))
		}
		w = request(h, http.MethodPost, koalahttp.Prefix+"/id/new_server_id", "{}")
		if w.Code != 200 || w.Body.String() != `{"id":5}` {
			t.Errorf("%d %s after %v", w.Code, w.Body, time.Since(start))
		}
	})
}

// TestSlowBody checks that a client that sends no body holds nothing for long,
// and that a keep_alive whose body got stuck does not make the host exit.
func TestSlowBody(t *testing.T) {
	t.Parallel()
	for route, want := range map[string]string{"keep_alive": "", "delete": "HTTP/1.1 500 "} {
		synctest.Test(t, func(t *testing.T) {
			w := wires{}
			w.serve(t, "pd", newHandler(&fixed{}))
			start := time.Now()
			connection, err := w.dial(t.Context(), "", "pd:80")
			if err != nil {
				t.Fatal(err)
			}
			defer connection.Close()
			fmt.Fprintf(connection, "POST %s/membership/%s HTTP/1.1\r\nHost: pd\r\nContent-Length: 9\r\n\r\n{", koalahttp.Prefix, route)
			answer, err := io.ReadAll(connection)
			if err != nil || !strings.HasPrefix(string(answer), want) || (want == "") != (len(answer) == 0) {
				t.Errorf("%s: %q, %v, want %q", route, answer, err, want)
			}
			if took := time.Since(start); took != 5*time.Second {
				t.Errorf("%s: took %v", route, took)
			}
		})
	}
}
