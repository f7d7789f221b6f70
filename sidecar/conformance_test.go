package sidecar_test

import (
	"context"
	"log/slog"
	"os"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/sidecar"
	"github.com/mallee-io/mallee/sidecar/sidecartest"
	"github.com/mallee-io/mallee/storage"
)

// The checks of Cloudstate's conformance tests that concern a sidecar, with our
// own user function.
func TestProxies(t *testing.T) {
	t.Parallel()
	sidecartest.Proxies(t, func(t *testing.T) sidecartest.Sidecar {
		f := sidecartest.Start(t, sidecartest.Config{})
		return sidecartest.Sidecar{Addr: serve(t, f.Addr(), sidecar.Config{}).Addr(), Record: f.Recorder}
	}, nil)
}

// A user function of protocol 0.1, whose stateless functions are asked in another
// way than actions.
func TestProxies01(t *testing.T) {
	t.Parallel()
	except := map[int]string{}
	for _, number := range []int{37, 38, 39, 40, 41, 42, 43, 44, 45, 184, 185, 186} {
		except[number] = "it has stateless functions"
	}
	sidecartest.Proxies(t, func(t *testing.T) sidecartest.Sidecar {
		i := sidecartest.Intercept(t, sidecartest.Start(t, sidecartest.Config{Spec: sidecartest.Dialect01}).Addr())
		return sidecartest.Sidecar{Addr: serve(t, i.Addr(), sidecar.Config{}).Addr(), Record: i.Recorder}
	}, except)
}

// What an interceptor sees is what the user function sees, so that the checks
// hold for user functions that do not record anything.
func TestProxiesIntercepted(t *testing.T) {
	t.Parallel()
	sidecartest.Proxies(t, func(t *testing.T) sidecartest.Sidecar {
		i := sidecartest.Intercept(t, sidecartest.Start(t, sidecartest.Config{}).Addr())
		return sidecartest.Sidecar{Addr: serve(t, i.Addr(), sidecar.Config{}).Addr(), Record: i.Recorder}
	}, nil)
}

// launch starts a sidecar that ends with the test. It may not be ready yet.
func launch(t *testing.T, function string, c sidecar.Config) *sidecar.Sidecar {
	t.Helper()
	c.Function, c.Listen = function, "127.0.0.1:0"
	c.Node = node.Config{Store: storage.Memory(), Log: slog.New(slog.DiscardHandler)}
	c.Log = c.Node.Log
	s, err := sidecar.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), sidecartest.Patience)
		defer cancel()
		if err := s.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return s
}

// serve starts a sidecar, and waits until it serves clients.
func serve(t *testing.T, function string, c sidecar.Config) *sidecar.Sidecar {
	t.Helper()
	s := launch(t, function, c)
	if err := s.Ready(patience(t)); err != nil {
		t.Fatal(err)
	}
	return s
}

// patience bounds a wait.
func patience(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), sidecartest.Patience)
	t.Cleanup(cancel)
	return ctx
}

// pair is a sidecar, its user function, and a client.
type pair struct {
	*testing.T
	*sidecartest.Function
	side *sidecar.Sidecar
	conn *grpc.ClientConn
	ctx  context.Context
}

func start(t *testing.T, f sidecartest.Config, c sidecar.Config) *pair {
	t.Helper()
	function := sidecartest.Start(t, f)
	side := serve(t, function.Addr(), c)
	return &pair{t, function, side, connect(t, side.Addr()), patience(t)}
}

func connect(t *testing.T, addr string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// fails checks the status of a call.
func fails(t *testing.T, err error, code codes.Code, text string) {
	t.Helper()
	if s := status.Convert(err); s.Code() != code || text != "" && s.Message() != text {
		t.Errorf("the call ends with %v, want %v: %s", err, code, text)
	}
}

// eventually repeats a call until it succeeds: after its user function has come
// back, a sidecar needs a moment to find it.
func eventually(t *testing.T, call func() error) {
	t.Helper()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	ctx := patience(t)
	for err := call(); err != nil; err = call() {
		select {
		case <-again.C:
		case <-ctx.Done():
			t.Fatal(err)
		}
	}
}

// A user function of another library, which listens at MALLEE_TEST_FUNCTION.
func TestLibrary(t *testing.T) {
	function := os.Getenv("MALLEE_TEST_FUNCTION")
	if function == "" {
		t.Skip("MALLEE_TEST_FUNCTION is not set")
	}
	t.Run("Models", func(t *testing.T) { sidecartest.Models(t, function, nil) })
	t.Run("Proxies", func(t *testing.T) {
		sidecartest.Proxies(t, func(t *testing.T) sidecartest.Sidecar {
			i := sidecartest.Intercept(t, function)
			return sidecartest.Sidecar{Addr: serve(t, i.Addr(), sidecar.Config{}).Addr(), Record: i.Recorder}
		}, nil)
	})
}
