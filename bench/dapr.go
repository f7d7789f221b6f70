package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// dapr is Dapr's sidecar, its placement service and an application with two
// actor types, in processes of their own. Clients call actors over the HTTP API
// of the sidecar, which is quicker than its gRPC API, and it calls the application
// over HTTP, as it calls all actors.
type dapr struct {
	placement, app, sidecar *peer
	client                  http.Client
	api                     string // URL of actors
}

// prepareDapr is for contestants that need Dapr.
type prepareDapr struct{}

func (prepareDapr) Prepare(ctx context.Context) error {
	_, err := buildDapr(ctx)
	return err
}

// start starts them with a state store, whose files are in a directory.
func (d *dapr) start(ctx context.Context, store, dir string) error {
	programs, err := buildDapr(ctx)
	if err != nil {
		return err
	}
	p, err := freePorts(9)
	if err != nil {
		return err
	}
	placement, raft, grpcPort, appPort, httpPort := p[0], p[1], p[2], p[3], p[6]
	d.placement, err = startPeer(ctx, "program", filepath.Join(programs, "placement"),
		"--port", placement, "--listen-address", "127.0.0.1",
		"--initial-cluster", "dapr-placement-0=127.0.0.1:"+raft,
		"--healthz-port", p[4], "--healthz-listen-address", "127.0.0.1", "--metrics-port", p[5], "--log-level", "fatal")
	if err != nil {
		return err
	}
	if d.app, err = startPeer(ctx, "dapr-app", appPort, grpcPort); err != nil {
		return err
	}
	if err := writeDaprResources(dir, store); err != nil {
		return err
	}
	d.sidecar, err = startPeer(ctx, "program", filepath.Join(programs, "daprd"),
		"--app-id", "bench", "--app-port", appPort, "--placement-host-address", "127.0.0.1:"+placement,
		"--resources-path", dir, "--config", filepath.Join(dir, "config.yml"),
		"--dapr-listen-addresses", "127.0.0.1", "--dapr-grpc-port", grpcPort, "--dapr-http-port", httpPort,
		"--dapr-internal-grpc-listen-address", "127.0.0.1", "--dapr-internal-grpc-port", p[7], "--metrics-port", p[8], "--log-level", "fatal")
	d.api = "http://127.0.0.1:" + httpPort + "/v1.0/actors/"
	d.client = http.Client{Timeout: callTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: 64}} // all callers keep theirs
	return err
}

// writeDaprResources makes the store that of actors. Names are resolved with a
// file: the usual way is multicast.
func writeDaprResources(dir, store string) error {
	component := fmt.Sprintf(`apiVersion: dapr.io/v1alpha1
kind: Component
metadata:
  name: store
spec:
  type: state.%s
  version: v1
  metadata:
  - name: actorStateStore
    value: "true"
  - name: connectionString
    value: %q
`, store, filepath.Join(dir, "state.db"))
	configuration := fmt.Sprintf(`apiVersion: dapr.io/v1alpha1
kind: Configuration
metadata:
  name: bench
spec:
  nameResolution:
    component: sqlite
    version: v1
    configuration:
      connectionString: %q
`, filepath.Join(dir, "names.db"))
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "store.yaml"), []byte(component), 0o600),
		os.WriteFile(filepath.Join(dir, "config.yml"), []byte(configuration), 0o600))
}

// await returns when call is answered: the application's actor types have to
// come to the placement service and back before.
func (d *dapr) await(ctx context.Context, call func() error) error {
	for end := time.Now().Add(30 * time.Second); ; {
		err := call()
		if err == nil {
			return nil
		}
		if time.Now().After(end) || ctx.Err() != nil {
			return fmt.Errorf("wait for Dapr to become ready: %w", err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// invoke calls a method of an actor.
func (d *dapr) invoke(ctx context.Context, typ, id, method, data string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, d.api+typ+"/"+id+"/method/"+method, strings.NewReader(data))
	if err != nil {
		return "", err
	}
	response, err := d.client.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, answer)
	}
	return string(answer), err
}

func (d *dapr) Stop(context.Context) error {
	d.client.CloseIdleConnections()
	return errors.Join(d.sidecar.stop(), d.app.stop(), d.placement.stop())
}

// daprActor is an actor that echoes, and has no state.
type daprActor struct {
	prepareDapr
	dapr
}

var _ caller = (*daprActor)(nil)

func (d *daprActor) Start(ctx context.Context, _ int) error {
	dir, err := os.MkdirTemp("", "bench-dapr") // the system's to delete
	if err != nil {
		return err
	}
	if err := d.start(ctx, "in-memory", dir); err != nil {
		return err
	}
	call := d.Caller(ctx)
	return d.await(ctx, func() error { _, err := call(0, "12345678"); return err })
}

func (d *daprActor) Caller(ctx context.Context) echo {
	return func(actor int, msg string) (string, error) {
		return d.invoke(ctx, "Echoer", strconv.Itoa(actor), "echo", msg)
	}
}

// daprLedger is an actor that writes a value of the size of an event in each
// call, to Dapr's store on SQLite.
type daprLedger struct {
	prepareDapr
	started
}

var _ appender = daprLedger{}

func (daprLedger) Appends(ctx context.Context, dir string) (func(caller int) func() error, func() error, error) {
	d := new(dapr)
	if err := d.start(ctx, "sqlite", dir); err != nil {
		return nil, nil, err
	}
	add := func(ledger string) (string, error) { return d.invoke(ctx, "Ledger", ledger, "add", "") }
	err := d.await(ctx, func() error { _, err := add("first"); return err })
	return counting(add), func() error { return d.Stop(ctx) }, err
}
