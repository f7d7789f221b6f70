package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
)

// daprApp answers the calls of Dapr's sidecar to actors. It is plain HTTP: a
// support library could only add to what it costs.
type daprApp struct {
	sidecar rawConn

	mu     sync.Mutex
	counts map[string]int // of the ledgers' calls
}

func serveDaprApp(_ context.Context, args []string) (string, error) {
	conn, err := dialRaw("127.0.0.1:" + args[1])
	if err != nil {
		return "", err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+args[0])
	if err != nil {
		return "", err
	}
	app := &daprApp{sidecar: conn, counts: make(map[string]int)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /dapr/config", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"entities":["Echoer","Ledger"]}`)
	})
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("DELETE /actors/{type}/{id}", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("PUT /actors/Echoer/{id}/method/echo", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	})
	mux.HandleFunc("PUT /actors/Ledger/{id}/method/add", app.add)
	go func() { _ = http.Serve(listener, mux) }()
	return listener.Addr().String(), nil
}

func (a *daprApp) add(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	if _, err := a.sidecar.call(r.Context(), "/dapr.proto.runtime.v1.Dapr/ExecuteActorStateTransaction", daprWrite(id)); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	a.mu.Lock()
	a.counts[id]++
	n := a.counts[id]
	a.mu.Unlock()
	_, _ = io.WriteString(w, strconv.Itoa(n))
}

// daprWrite is an ExecuteActorStateTransactionRequest that puts an event into
// the state of a ledger.
func daprWrite(id string) []byte {
	bytes := func(b []byte, num protowire.Number, v []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(b, num, protowire.BytesType), v)
	}
	value := bytes(nil, 2, event) // an Any
	op := bytes(nil, 1, []byte("upsert"))
	op = bytes(op, 2, []byte("last"))
	op = bytes(op, 3, value)
	request := bytes(nil, 1, []byte("Ledger"))
	request = bytes(request, 2, []byte(id))
	return bytes(request, 3, op)
}
