package main

import (
	"context"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/mallee-io/mallee/bench/replica"
)

// bareMesh is the floor of what tells others of changes: each is a message to
// each other process over a connection of TCP, and is done there once. Nothing is
// merged, nothing comes again, and who is not there does not get it.
type bareMesh struct{ started }

func (bareMesh) replicas(ctx context.Context, n int) (*replicaCluster, error) {
	ports, err := freePorts(n)
	if err != nil {
		return nil, err
	}
	addrs := make([]string, n)
	for i, port := range ports {
		addrs[i] = "127.0.0.1:" + port
	}
	c := &replicaCluster{}
	for i := range n {
		// Each connects to those that are there already.
		if err := c.add(startPeer(ctx, "bare-replica", addrs[i], strings.Join(addrs[:i], ","))); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// meshNode has its copies in maps.
type meshNode struct {
	mu       sync.Mutex
	conns    []*muxConn
	counters map[string]int64
	sets     map[string]map[string]bool
	watchers map[string]func(int64)
}

// What a message is.
const (
	meshAdd byte = iota
	meshPut
	meshRemove
	meshMark
)

func serveBareReplica(ctx context.Context, args []string) (string, error) {
	m := &meshNode{
		counters: make(map[string]int64), sets: make(map[string]map[string]bool), watchers: make(map[string]func(int64)),
	}
	listener, err := net.Listen("tcp", args[0])
	if err != nil {
		return "", err
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			m.join(conn)
		}
	}()
	for addr := range strings.SplitSeq(args[1], ",") {
		if addr == "" {
			continue
		}
		conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", addr)
		if err != nil {
			return "", err
		}
		m.join(conn)
	}
	return replica.Serve(m, 0)
}

func (m *meshNode) join(conn net.Conn) {
	c := newMuxConn(conn, false)
	m.mu.Lock()
	m.conns = append(m.conns, c)
	m.mu.Unlock()
	go c.read(func(value uint64, what byte, body string) {
		m.mu.Lock()
		defer m.mu.Unlock()
		name, element, _ := strings.Cut(body, "/")
		m.do(what, name, element, value)
	})
}

// tell does something here, and has the others do it. The value is for marks.
func (m *meshNode) tell(what byte, name, element string, value uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.do(what, name, element, value)
	for _, c := range m.conns {
		c.send(value, what, name+"/"+element)
	}
	return nil
}

func (m *meshNode) do(what byte, name, element string, value uint64) {
	switch what {
	case meshAdd:
		m.counters[name]++
	case meshPut:
		if m.sets[name] == nil {
			m.sets[name] = make(map[string]bool)
		}
		m.sets[name][element] = true
	case meshRemove:
		delete(m.sets[name], element)
	case meshMark:
		if changed := m.watchers[name]; changed != nil {
			changed(int64(value))
		}
	}
}

func (m *meshNode) Add(counter string) error { return m.tell(meshAdd, counter, "", 0) }

func (m *meshNode) Put(set, element string, in bool) error {
	if in {
		return m.tell(meshPut, set, element, 0)
	}
	return m.tell(meshRemove, set, element, 0)
}

func (m *meshNode) Mark(register string, at int64) error {
	return m.tell(meshMark, register, "", uint64(at))
}

func (m *meshNode) Watch(register string, changed func(int64)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.watchers[register] = changed
	return nil
}
