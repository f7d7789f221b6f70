package node_test

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/examples/game"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/storage"
	"github.com/mallee-io/mallee/wire"
	"github.com/mallee-io/mallee/wire/koala"
	"github.com/mallee-io/mallee/wire/pickle"
)

// pythonHost is a member of the cluster that speaks as a Koala host does.
type pythonHost struct {
	t      testing.TB
	listen net.Listener
	last   atomic.Int64
	// run is what its actors do.
	run func(r *koala.RPCRequest, args pickle.Tuple) (any, error)
	// gateway is what it does with what gateways send.
	gateway func(conn net.Conn, m koala.Message, body []byte)

	served chan struct{} // gets a hint after each hundredth call
	count  atomic.Int64
	mu     sync.Mutex
	conns  []net.Conn
}

// cut ends the connections that nodes have dialled.
func (h *pythonHost) cut() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, conn := range h.conns {
		_ = conn.Close()
	}
	h.conns = nil
}

func startHost(t testing.TB, cluster placement.Driver, types ...string) *pythonHost {
	t.Helper()
	listen, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &pythonHost{t: t, listen: listen, served: make(chan struct{}, 1)}
	m := placement.Member{Name: "host_77", Foreign: true, Addr: listen.Addr().String()}
	for _, name := range types {
		m.Types = append(m.Types, placement.Type{Name: name, Interfaces: []string{name}})
	}
	if _, err := cluster.Join(t.Context(), m, nil); err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := listen.Accept()
			if err != nil {
				return
			}
			h.mu.Lock()
			h.conns = append(h.conns, conn)
			h.mu.Unlock()
			serving.Go(func() { h.serve(conn) })
		}
	})
	t.Cleanup(func() { // after the nodes, which close their connections
		_ = listen.Close()
		serving.Wait()
	})
	return h
}

// messages calls take for each message until the connection ends.
func messages(conn net.Conn, take func(m koala.Message, body []byte) (more bool)) error {
	var buf []byte
	for chunk := make([]byte, 1024); ; {
		meta, body, rest, complete, err := wire.ParseFrame(buf)
		if err != nil {
			return err
		}
		if !complete {
			n, err := conn.Read(chunk)
			if buf = append(buf, chunk[:n]...); err != nil {
				return err
			}
			continue
		}
		m, err := koala.Parse(meta)
		if err != nil {
			return err
		}
		if !take(m, append([]byte(nil), body...)) {
			return nil
		}
		buf = rest
	}
}

func (h *pythonHost) send(conn net.Conn, m koala.Message, body []byte) {
	frame, err := koala.Append(nil, m, body)
	if err != nil {
		h.t.Errorf("send %+v: %v", m, err)
	}
	_, _ = conn.Write(frame) // who reads sees the connection end
}

func (h *pythonHost) serve(conn net.Conn) {
	var answering sync.WaitGroup
	defer answering.Wait()
	defer func() { _ = conn.Close() }()
	err := messages(conn, func(m koala.Message, body []byte) bool {
		switch m := m.(type) {
		case *koala.RequestHeartBeat:
			h.send(conn, &koala.ResponseHeartBeat{MilliSeconds: m.MilliSeconds}, nil)
		case *koala.RPCRequest:
			answering.Go(func() { h.answer(conn, m, body) })
		default:
			h.gateway(conn, m, body)
		}
		return true
	})
	var end *net.OpError
	if !errors.Is(err, io.EOF) && !errors.As(err, &end) {
		h.t.Errorf("the node sent what is no message: %v", err)
	}
}

func (h *pythonHost) answer(conn net.Conn, r *koala.RPCRequest, body []byte) {
	args, named, err := koala.ParseArgs(body)
	if err != nil || len(named) != 0 || body[0] != '0' || r.ServerID != 0 || r.ReentrantID <= 0 {
		h.t.Errorf("got %+v with %q: %v", r, body, err)
		return
	}
	if h.count.Add(1)%100 == 0 {
		select {
		case h.served <- struct{}{}:
		default:
		}
	}
	h.mu.Lock()
	run := h.run
	h.mu.Unlock()
	v, err := run(r, args)
	if err != nil { // as a host does: without a body
		h.send(conn, &koala.RPCResponse{RequestID: r.RequestID, ErrorCode: koala.UnknownException, ErrorStr: err.Error()}, nil)
		return
	}
	result, err := koala.AppendResult(nil, v)
	if err != nil {
		h.t.Errorf("result %v: %v", v, err)
	}
	h.send(conn, &koala.RPCResponse{RequestID: r.RequestID}, result)
}

// call calls an actor that is, as the host believes, at addr.
func (h *pythonHost) call(addr string, r koala.RPCRequest, args pickle.Tuple, named pickle.Dict) (any, error) {
	body, err := koala.AppendArgs(nil, args, named)
	if err != nil {
		return nil, err
	}
	return h.callRaw(addr, r, body)
}

func (h *pythonHost) callRaw(addr string, r koala.RPCRequest, body []byte) (any, error) {
	conn, err := net.Dial("tcp4", addr)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	r.RequestID = h.last.Add(1)
	h.send(conn, &r, body)
	var v any
	var failed error
	err = messages(conn, func(m koala.Message, body []byte) bool {
		answer, ok := m.(*koala.RPCResponse)
		switch {
		case !ok:
			return true
		case len(body) == 0 || answer.RequestID != r.RequestID:
			h.t.Errorf("answer %+v with %q", answer, body) // a host would wait in vain
		}
		v, failed = answer.Result(body)
		return false
	})
	return v, errors.Join(failed, err)
}

// koalaCluster has nodes that host players, and a host with all else.
func koalaCluster(t testing.TB, nodes int) (*pythonHost, []*node.Node, []string) {
	t.Helper()
	cluster, store := placement.Memory(time.Hour), storage.Memory()
	h := startHost(t, cluster, "Room", "Leaderboard")
	var all []*node.Node
	var addrs []string
	for range nodes {
		n, err := node.Start(t.Context(), node.Config{
			Types: []mallee.Type{game.PlayerType(game.NewPlayer, mallee.Serves(game.ParticipantInterface()))}, Store: store,
			Placement: cluster, Koala: true, Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = n.Stop(context.Background()) })
		all = append(all, n)
	}
	members, err := cluster.Members(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range all {
		for _, m := range members {
			if m.ID == n.ID() {
				addrs = append(addrs, m.Addr)
			}
		}
	}
	return h, all, addrs
}

// answers is how the host answers calls from now on; one-way ones may come still.
func (h *pythonHost) answers(run func(*koala.RPCRequest, pickle.Tuple) (any, error)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.run = run
}

// room is the game's Room in Python: it calls its participants back.
func (h *pythonHost) room(addr func(player string) string) {
	h.answers(func(r *koala.RPCRequest, args pickle.Tuple) (any, error) {
		switch r.ServiceName + "." + r.MethodName {
		case "Room.join":
			return int64(0), nil
		case "Room.leave", "Leaderboard.report":
			return nil, nil
		case "Room.say":
			_, player, _ := strings.Cut(args[0].(string), "/")
			name, err := h.call(addr(player), koala.RPCRequest{ServiceName: "Participant", MethodName: "nickname", ActorID: player, ReentrantID: r.ReentrantID, ServerID: 4}, nil, nil)
			if err != nil {
				return nil, err
			}
			return name.(string) + ": " + args[1].(string), nil
		case "Leaderboard.top":
			return []any{pickle.Dict{{Key: "Player", Value: r.ActorID}, {Key: "Score", Value: args[0]}}}, nil
		}
		return nil, errors.New("Traceback (most recent call last):\nAttributeError: " + r.MethodName)
	})
}

func TestCallsOfAKoalaHost(t *testing.T) {
	t.Parallel()
	h, _, addrs := koalaCluster(t, 1)
	h.room(nil)
	player := koala.RPCRequest{ServiceName: "Player", ActorID: "42", IntegerID: true, ReentrantID: 1}
	for _, c := range []struct {
		service, method string
		args            pickle.Tuple
		named           pickle.Dict
		want            any
		code            koala.Code
		text            string
	}{
		{"Player", "echo", pickle.Tuple{"hello"}, nil, "hello", 0, ""},
		{"Player", "Echo", pickle.Tuple{strings.Repeat("long ", 1000)}, nil, strings.Repeat("long ", 1000), 0, ""},
		{"Player", "give", pickle.Tuple{"coin"}, pickle.Dict{{Key: "n", Value: int64(3)}}, int64(3), 0, ""},
		{"Player", "bag", nil, nil, pickle.Dict{{Key: "coin", Value: int64(3)}}, 0, ""},
		{"Participant", "hear", pickle.Tuple{"psst"}, nil, nil, 0, ""},
		{"Player", "give", pickle.Tuple{"coin", int64(-1)}, nil, nil, koala.UnknownException, "game.bad_amount"},
		{"Player", "give", pickle.Tuple{"coin", "many"}, nil, nil, koala.UnknownException, "argument n: expected int for int, got str"},
		{"Player", "give", pickle.Tuple{"coin"}, nil, nil, koala.UnknownException, "argument n: it is missing"},
		{"Player", "hear", pickle.Tuple{"psst"}, nil, nil, koala.MethodNotFound, "Player has no"},
		{"Player", "_echo", pickle.Tuple{"x"}, nil, nil, koala.MethodNotFound, "private"},
		{"Dragon", "echo", pickle.Tuple{"x"}, nil, nil, koala.InterfaceInvalid, "Dragon"},
		{"IHotFix", "patch_code", pickle.Tuple{"exit()"}, nil, nil, koala.InterfaceInvalid, "interface invalid"},
	} {
		player.ServiceName, player.MethodName = c.service, c.method
		got, err := h.call(addrs[0], player, c.args, c.named)
		var failed *koala.Error
		switch {
		case c.code == 0:
			if err != nil || !equal(got, c.want) {
				t.Errorf("%s: %v, %v", c.method, got, err)
			}
		case !errors.As(err, &failed) || failed.Code != c.code || !strings.Contains(failed.Text, c.text):
			t.Errorf("%s: %v, want %d, %s", c.method, err, c.code, c.text)
		}
	}
}

func equal(a, b any) bool {
	x, err1 := pickle.Append(nil, a)
	y, err2 := pickle.Append(nil, b)
	return err1 == nil && err2 == nil && string(x) == string(y)
}

func TestCallsToAKoalaHost(t *testing.T) {
	t.Parallel()
	h, nodes, addrs := koalaCluster(t, 1)
	h.room(func(string) string { return addrs[0] })
	n := nodes[0]
	top, err := game.LeaderboardOf(n, "world").Top(t.Context(), 5)
	if err != nil || len(top) != 1 || top[0] != (game.Entry{Player: "world", Score: 5}) {
		t.Errorf("top: %v, %v", top, err)
	}
	ann := game.PlayerOf(n, "ann")
	if total, err := ann.Give(t.Context(), "coin", 2); err != nil || total != 2 { // reports one-way
		t.Errorf("give: %d, %v", total, err)
	}
	if others, err := ann.Enter(t.Context(), "lobby"); err != nil || others != 0 {
		t.Errorf("enter: %d, %v", others, err)
	}
	// The player waits for the room, which asks it for its name: its chain goes
	// through Python and comes back.
	if line, err := ann.Chat(t.Context(), "hi"); err != nil || line != "ann (1 items): hi" {
		t.Errorf("chat: %q, %v", line, err)
	}
	h.answers(func(*koala.RPCRequest, pickle.Tuple) (any, error) { return "no number", nil })
	if _, err := game.RoomOf(n, "x").Join(t.Context(), ann.ID()); !errors.Is(err, mallee.ErrInvalid) || !strings.Contains(err.Error(), "expected int for int, got str") {
		t.Errorf("a result of another type: %v", err)
	}
	h.answers(func(*koala.RPCRequest, pickle.Tuple) (any, error) {
		return nil, errors.New("Traceback (most recent call last):\nKeyError: 5")
	})
	if _, err := game.RoomOf(n, "x").Join(t.Context(), ann.ID()); err == nil || mallee.SafeToRetry(err) || !strings.Contains(err.Error(), "unknown exception: KeyError: 5") {
		t.Errorf("an exception: %v", err)
	}
}

// A host may ask a node that does not have the actor: its cache does not mend.
func TestCallsOfAKoalaHostAreForwarded(t *testing.T) {
	t.Parallel()
	h, nodes, addrs := koalaCluster(t, 2)
	h.room(func(player string) string { // the room asks the wrong node
		return addrs[len(player)%2]
	})
	for _, name := range []string{"1", "22", "333", "4444", "55555", "666666"} {
		r := koala.RPCRequest{ServiceName: "Player", MethodName: "give", ActorID: name, ReentrantID: 1}
		for i, addr := range addrs {
			if total, err := h.call(addr, r, pickle.Tuple{"coin", int64(1)}, nil); err != nil || total != int64(i+1) {
				t.Errorf("player %s through node %d: %v, %v", name, i, total, err)
			}
		}
		player := game.PlayerOf(nodes[0], name)
		if _, err := player.Enter(t.Context(), "lobby"); err != nil {
			t.Error(err)
		}
		if line, err := player.Chat(t.Context(), "hi"); err != nil || line != name+" (1 items): hi" {
			t.Errorf("chat: %q, %v", line, err)
		}
	}
	if a, b := nodes[0].Stats().Activations, nodes[1].Stats().Activations; a == 0 || b == 0 {
		t.Errorf("players are on one node: %d and %d activations", a, b)
	}
}

func TestKoalaNeedsWhatHostsKnow(t *testing.T) {
	t.Parallel()
	for want, config := range map[string]node.Config{
		"TLS":  {TLS: new(tls.Config)},
		"IPv4": {Advertise: "game.example:7000"},
	} {
		config.Placement, config.Koala = placement.Memory(time.Hour), true
		if _, err := node.Start(t.Context(), config); !errors.Is(err, mallee.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// Python compresses what is longer than 300 bytes, and forgets to say so when
// it does not get shorter.
func TestCompressedArguments(t *testing.T) {
	t.Parallel()
	h, _, addrs := koalaCluster(t, 1)
	flagged, err := hex.DecodeString("3128b52ffd60a800ed0000a08005959d01005890010000619485947d9486942e02008c4015011401")
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range [][]byte{flagged, flagged[1:]} {
		v, err := h.callRaw(addrs[0], koala.RPCRequest{ServiceName: "Player", MethodName: "echo", ActorID: "x"}, body)
		if err != nil || v != strings.Repeat("a", 400) {
			t.Errorf("%v, %v", v, err)
		}
	}
}

// A host whose connections end all the time: each call has a result or an error,
// and none waits for its deadline.
func TestConnectionsOfAKoalaHostThatEnd(t *testing.T) {
	t.Parallel()
	h, nodes, addrs := koalaCluster(t, 1)
	h.room(nil)
	var callers, cutter sync.WaitGroup
	done := make(chan struct{})
	cutter.Go(func() {
		for {
			select {
			case <-h.served:
				h.cut()
			case <-done:
				return
			}
		}
	})
	var results atomic.Int64
	for i := range 8 {
		board := game.LeaderboardOf(nodes[0], strconv.Itoa(i))
		callers.Go(func() {
			for range 200 {
				_, err := board.Top(t.Context(), 1)
				if err == nil {
					results.Add(1)
				} else if !errors.Is(err, mallee.ErrUnavailable) {
					t.Errorf("to the host: %v", err)
				}
			}
		})
		callers.Go(func() {
			r := koala.RPCRequest{ServiceName: "Player", MethodName: "give", ActorID: strconv.Itoa(i)}
			for want := range int64(50) {
				if total, err := h.call(addrs[0], r, pickle.Tuple{"coin", int64(1)}, nil); err != nil || total != want+1 {
					t.Errorf("from the host: %v, %v", total, err)
				}
			}
		})
	}
	callers.Wait()
	close(done)
	cutter.Wait()
	if results.Load() == 0 {
		t.Error("no call had a result")
	}
}

// A host that calls through one node loses no call when another one, which has
// the actors, stops.
func TestKoalaHostDuringADrain(t *testing.T) {
	t.Parallel()
	h, nodes, addrs := koalaCluster(t, 2)
	h.room(nil)
	var callers sync.WaitGroup
	stopped := make(chan struct{})
	warm := make(chan struct{}, 16)
	for i := range 8 {
		callers.Go(func() {
			r := koala.RPCRequest{ServiceName: "Player", MethodName: "give", ActorID: strconv.Itoa(i), ReentrantID: 1}
			for want := int64(1); ; want++ {
				total, err := h.call(addrs[0], r, pickle.Tuple{"coin", int64(1)}, nil)
				if err != nil || total != want {
					t.Errorf("player %d has %v instead of %d: %v", i, total, want, err)
					warm <- struct{}{}
					return
				}
				if want == 5 {
					warm <- struct{}{}
				}
				select {
				case <-stopped:
					return
				default:
				}
			}
		})
	}
	for range 8 {
		<-warm
	}
	if err := nodes[1].Stop(t.Context()); err != nil {
		t.Error(err)
	}
	close(stopped)
	callers.Wait()
}
