package sidecartest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
)

// Sidecar is one that is to be checked, and has begun to serve clients.
type Sidecar struct {
	// Addr is where clients are served, host:port.
	Addr string
	// Record is of what goes between it and its user function.
	Record *Recorder
}

// Proxies checks sidecars: what they answer to clients, and that nothing goes to
// the user function but what has to. Each check is a parallel subtest with the
// number that it has in Cloudstate's conformance tests, on a sidecar of its own.
// Those of models that the user function does not have are skipped, and so are
// those in except, which has the reasons.
func Proxies(t *testing.T, start func(*testing.T) Sidecar, except map[int]string) *Tally {
	tally := &Tally{Skipped: map[int]string{}}
	for _, p := range slices.Concat(discoveryProxies(), actionProxies(), valueProxies(), eventsProxies(), crdtProxies(), logProxies()) {
		tally.run(t, "Proxy", p.number, func(t *testing.T) string {
			if why := except[p.number]; why != "" {
				return why
			}
			s := start(t)
			if why := lacks(s.Record.Spec(t), p.services); why != "" {
				return why
			}
			conn := dial(t, s.Addr)
			ctx, cancel := context.WithTimeout(t.Context(), Patience)
			t.Cleanup(cancel)
			discovered := s.Record.Expect(t, Discover)
			p.check(&front{T: t, Sidecar: s, ctx: ctx, conn: conn, discovered: discovered, id: fmt.Sprintf("entity-%d", p.number)})
			s.Record.ExpectNothing(t)
			return ""
		})
	}
	return tally
}

// proxy is a check of a sidecar.
type proxy struct {
	number   int
	services []string // that it needs
	check    func(*front)
}

// front is the sidecar as a client has it before itself, with a look behind it.
type front struct {
	*testing.T
	Sidecar
	ctx        context.Context
	conn       *grpc.ClientConn
	discovered *Call
	id         string // of an entity that no other check has
}

// expect claims the next call to the user function.
func (f *front) expect(method string) *Call { f.Helper(); return f.Record.Expect(f.T, method) }

// answers checks what a client has got.
func (f *front) answers(got proto.Message, err error, want proto.Message) {
	f.Helper()
	if err != nil {
		f.Fatalf("a call is answered with %v\n%s", err, f.Record)
	}
	if diff := difference(got, want); diff != "" {
		f.Fatalf("the answer %s", diff)
	}
}

// refuses checks the failure that a client has got.
func (f *front) refuses(err error, description string) {
	f.Helper()
	if s := status.Convert(err); s.Code() != codes.Unknown || s.Message() != description {
		f.Fatalf("the failure is %v, want %v: %s", err, codes.Unknown, description)
	}
}

// post makes a call over plain HTTP, and checks all of the answer.
func (f *front) post(path, body string, status int, want string) {
	f.Helper()
	req, err := http.NewRequestWithContext(f.ctx, http.MethodPost, "http://"+f.Addr+path, strings.NewReader(body))
	if err != nil {
		f.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		f.Fatal(err)
	}
	got, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		f.Fatal(err)
	}
	if resp.StatusCode != status || string(got) != want {
		f.Fatalf("%s is answered with %d %q, want %d %q", path, resp.StatusCode, got, status, want)
	}
	if kind := resp.Header.Get("Content-Type"); status == http.StatusOK && kind != "application/json" {
		f.Errorf("the content type is %q", kind)
	}
}

// discoveryProxies are the checks of what comes before all calls, and of
// reflection.
func discoveryProxies() []proxy {
	return []proxy{
		{1, nil, func(f *front) {
			info := f.discovered.NextIn().(*cloudstatepb.ProxyInfo)
			if info.GetProtocolMajorVersion() != 0 || info.GetProtocolMinorVersion() != 2 || info.GetProxyName() == "" || info.GetProxyVersion() == "" {
				f.Errorf("the sidecar says that it is %s", short(info))
			}
			kinds := slices.Sorted(slices.Values(info.GetSupportedEntityTypes()))
			if want := []string{typeAction, typeCRDT, typeEventSourced, typeValueEntity}; !slices.Equal(kinds, want) {
				f.Errorf("the sidecar knows %q, want %q", kinds, want)
			}
		}},
		{2, nil, checkReflection},
	}
}
