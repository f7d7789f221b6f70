package clustertest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/examples/game"
	"github.com/mallee-io/mallee/internal/chaos/crowd"
	"github.com/mallee-io/mallee/internal/gen/placementpb"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/wire"
	"github.com/mallee-io/mallee/wire/koala"
	"github.com/mallee-io/mallee/wire/pickle"
)

type object = map[string]any

// post asks Koala's API of the placement driver.
func (c *cluster) post(ctx context.Context, path string, body any) (int, object) {
	c.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		c.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+c.configs[0].Listen+"/pd/api/v1"+path, strings.NewReader(string(text)))
	if err != nil {
		c.t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, object{"error": err.Error()}
	}
	defer func() { _ = answer.Body.Close() }()
	got, _ := io.ReadAll(answer.Body)
	decoded := object{}
	if json.Unmarshal(got, &decoded) != nil {
		decoded["error"] = string(got)
	}
	return answer.StatusCode, decoded
}

// python is a host that registers as Koala's do, and has rooms.
type python struct {
	*cluster
	listener net.Listener
	id       int64
}

func (c *cluster) python() *python {
	c.t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		c.t.Fatal(err)
	}
	p := &python{cluster: c, listener: listener}
	_, answer := c.post(within(c.t), "/id/new_server_id", object{})
	p.id = int64(answer["id"].(float64))
	code, answer := c.post(within(c.t), "/membership/register", object{
		"server_id": p.id, "ttl": 15, "address": listener.Addr().String(), "services": object{"Room": "PyRoom"}, "desc": "python", "load": 0,
	})
	if code != http.StatusOK {
		c.t.Fatal(code, answer)
	}
	var serving sync.WaitGroup
	ctx, stop := context.WithCancel(context.Background())
	lease := json.Number(fmt.Sprintf("%.0f", answer["lease_id"]))
	serving.Go(func() {
		for ctx.Err() == nil {
			_, _ = c.post(ctx, "/membership/keep_alive", object{"server_id": p.id, "lease_id": lease, "load": 0})
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
	})
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			context.AfterFunc(ctx, func() { _ = conn.Close() })
			serving.Go(func() { p.serve(conn) })
		}
	})
	c.t.Cleanup(func() {
		stop()
		_ = listener.Close()
		serving.Wait()
	})
	return p
}

// serve answers the calls of a connection; calls of rooms call their players.
func (p *python) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	_ = receive(conn, func(m koala.Message, body []byte) bool {
		switch m := m.(type) {
		case *koala.RequestHeartBeat:
			send(conn, &koala.ResponseHeartBeat{MilliSeconds: m.MilliSeconds}, nil)
		case *koala.RPCRequest:
			go p.answer(conn, m, body)
		}
		return true
	})
}

func (p *python) answer(conn net.Conn, m *koala.RPCRequest, body []byte) {
	var result any
	args, _, err := koala.ParseArgs(body)
	if err == nil && m.MethodName == "say" {
		_, player, _ := strings.Cut(args[0].(string), "/")
		result, err = p.call("Participant", "nickname", player, m.ReentrantID)
	}
	if err == nil && m.MethodName == "join" {
		result = int64(0)
	}
	if err != nil {
		send(conn, &koala.RPCResponse{RequestID: m.RequestID, ErrorCode: koala.UnknownException, ErrorStr: err.Error()}, nil)
		return
	}
	encoded, _ := koala.AppendResult(nil, result)
	send(conn, &koala.RPCResponse{RequestID: m.RequestID}, encoded)
}

// call finds an actor by the placement driver and calls it, as a host does.
func (p *python) call(service, method, key string, chain int64, args ...any) (any, error) {
	code, position := p.post(p.t.Context(), "/placement/find_position", object{"actor_type": "Player", "actor_id": key})
	if code != http.StatusOK {
		return nil, fmt.Errorf("find %s: %v", key, position)
	}
	conn, err := net.Dial("tcp4", position["server_address"].(string))
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(patience))
	body, err := koala.AppendArgs(nil, pickle.Tuple(args), nil)
	if err != nil {
		return nil, err
	}
	send(conn, &koala.RPCRequest{ServiceName: service, MethodName: method, ActorID: key, ReentrantID: chain, RequestID: 1}, body)
	var v any
	var failed error
	err = receive(conn, func(m koala.Message, body []byte) bool {
		answer, ok := m.(*koala.RPCResponse)
		if ok {
			v, failed = answer.Result(body)
		}
		return !ok
	})
	if err == nil {
		err = failed
	}
	return v, err
}

func send(conn net.Conn, m koala.Message, body []byte) {
	if frame, err := koala.Append(nil, m, body); err == nil {
		_, _ = conn.Write(frame) // who reads sees the connection end
	}
}

// receive takes messages until one is the last, or the connection ends.
func receive(conn net.Conn, take func(koala.Message, []byte) (more bool)) error {
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

// A Python host and a Go node in one cluster call each other's actors, while
// others register nonsense.
func TestPythonHost(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	types := append(crowd.Types(c.turns), game.PlayerType(game.NewPlayer, mallee.Serves(game.ParticipantInterface())), game.LeaderboardType(game.NewLeaderboard))
	n := c.node("go", node.Config{Types: types, Koala: true, CallTimeout: patience / 2})
	host := c.python()
	live := call(t, n)
	id := func() int64 {
		_, answer := c.post(within(t), "/id/new_server_id", object{})
		return int64(answer["id"].(float64))
	}
	for name, nonsense := range map[string]any{
		"a negative id":      object{"server_id": -5, "address": "127.0.0.1:1", "services": object{"Player": "P"}},
		"an id of nobody":    object{"server_id": 1 << 40, "address": "127.0.0.1:1"},
		"a bad address":      object{"server_id": id(), "address": "no address", "services": object{"Player": "P"}},
		"no address":         object{"server_id": id(), "services": object{"Player": "P"}},
		"the id of a node":   object{"server_id": int64(n.ID()), "address": "127.0.0.1:1", "services": object{"Player": "P"}},
		"a name that is bad": object{"server_id": id(), "address": "127.0.0.1:1", "services": object{"a/b": "P"}},
		"a huge ttl":         object{"server_id": id(), "address": "127.0.0.1:1", "ttl": 1 << 40},
		"no object":          []any{1, 2},
	} {
		if code, answer := c.post(within(t), "/membership/register", nonsense); code != http.StatusBadRequest {
			t.Errorf("%s: %d %v", name, code, answer)
		}
	}
	for _, services := range []any{nil, object{}} { // they host nothing
		if code, answer := c.post(within(t), "/membership/register", object{"server_id": id(), "address": "127.0.0.1:1", "services": services}); code != http.StatusOK {
			t.Errorf("services %v: %d %v", services, code, answer)
		}
	}
	ann := game.PlayerOf(n, "ann")
	for ctx := within(t); ; { // a Koala host gets no actor in its first seconds
		_, err := ann.Enter(ctx, "lobby")
		if err == nil {
			break
		}
		if ctx.Err() != nil || !mallee.SafeToRetry(err) {
			t.Fatal(err)
		}
	}
	if line, err := ann.Chat(within(t), "hi"); err != nil || !strings.HasPrefix(line, "ann") {
		t.Errorf("Go calls Python, which calls back: %q, %v", line, err)
	}
	if v, err := host.call("Player", "give", "bob", 7, "coin", int64(3)); err != nil || v != int64(3) {
		t.Errorf("Python calls Go: %v, %v", v, err)
	}
	live.goOn()
	live.end()
	found, err := c.tools().Find(within(t), &placementpb.FindRequest{Actor: &placementpb.Actor{Type: "Room", Key: "lobby"}})
	if err != nil || found.GetPlaced().GetNode() != uint64(host.id) {
		t.Errorf("the room: %v, %v", found, err)
	}
}
