package client_test

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/client"
	"github.com/mallee-io/mallee/client/internal/clienttest"
	"github.com/mallee-io/mallee/gateway"
	"github.com/mallee-io/mallee/wire/edge"
)

// through opens a session at a real gateway.
func through(t *testing.T, user string, change ...func(*client.Config)) *client.Conn {
	t.Helper()
	config := client.Config{Login: client.Login(map[string]string{"user": user}), Backoff: time.Millisecond, MaxBackoff: 20 * time.Millisecond}
	for _, c := range change {
		c(&config)
	}
	conn, err := client.Dial(waiting(t), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

// at is where a client connects to.
func at(urls ...string) func(*client.Config) {
	return func(c *client.Config) { c.URLs = urls }
}

func TestEcho(t *testing.T) {
	t.Parallel()
	gate := clienttest.Start(t, 1).Gates[0]
	for name, url := range map[string]string{
		"websocket": gate.URL(),
		"tcp":       "tcp://" + gate.TCP.Addr(),
		"tls":       "tls://" + gate.TLS.Addr(),
		"quic":      "quic://" + gate.QUIC.String(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := through(t, name, at(url), func(c *client.Config) { c.TLS = gate.Trust(t) })
			send(t, conn, "Grüße")
			receive(t, conn, "Grüße")
			large := make([]byte, 60<<10)
			if err := conn.Send(waiting(t), mallee.Binary(large)); err != nil {
				t.Fatal(err)
			}
			if m, err := conn.Receive(waiting(t)); err != nil || m.Text || !bytes.Equal(m.Data, large) {
				t.Fatal(len(m.Data), err)
			}
			conn.Close()
		})
	}
}

// Numbers go to the actor and back, while connections are cut.
func TestNothingIsLostByCuts(t *testing.T) {
	t.Parallel()
	gate := clienttest.Start(t, 1).Gates[0]
	for name, proxy := range map[string]*clienttest.Proxy{"websocket": gate.WebSocket, "tcp": gate.TCP} {
		url := map[string]string{"websocket": gate.URL(), "tcp": "tcp://" + proxy.Addr()}[name]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := through(t, name, at(url))
			const many = 600
			sent := make(chan error, 1)
			go func() {
				for i := range many {
					if err := conn.Send(waiting(t), mallee.Text(strconv.Itoa(i))); err != nil {
						sent <- err
						return
					}
				}
				sent <- nil
			}()
			for i := range many {
				if i%100 == 50 {
					proxy.Cut()
				}
				receive(t, conn, strconv.Itoa(i))
			}
			if err := <-sent; err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestGapIsTold(t *testing.T) {
	t.Parallel()
	gate := clienttest.Start(t, 1, func(c *gateway.Config) { c.SendMessages = 10 }).Gates[0]
	conn := through(t, "ada", at(gate.URL()))
	send(t, conn, "ready")
	receive(t, conn, "ready")
	send(t, conn, "push 200")
	gate.WebSocket.Cut()
	next := 1
	for next <= 200 {
		m, err := conn.Receive(waiting(t))
		var lost *edge.Loss
		switch {
		case errors.As(err, &lost) && !lost.Unknown:
			next += int(lost.Count)
		case err != nil:
			t.Fatal(err)
		case string(m.Data) != strconv.Itoa(next):
			t.Fatalf("%s instead of %d", m.Data, next)
		default:
			next++
		}
	}
}

func TestKickByTheActor(t *testing.T) {
	t.Parallel()
	gate := clienttest.Start(t, 1).Gates[0]
	conn := through(t, "ada", at(gate.URL()))
	send(t, conn, "kick enough is enough")
	var closed *edge.Closed
	if _, err := conn.Receive(waiting(t)); !errors.As(err, &closed) || closed.Code != edge.CodeKicked || closed.Reason != "enough is enough" {
		t.Fatal(err)
	}
}

func TestRefusedByTheGateway(t *testing.T) {
	t.Parallel()
	gate := clienttest.Start(t, 1).Gates[0]
	var closed *edge.Closed
	if _, err := client.Dial(waiting(t), client.Config{URLs: []string{gate.URL()}}); !errors.As(err, &closed) || closed.Code != edge.CodeLoginRefused {
		t.Fatal(err)
	}
}

func TestDrain(t *testing.T) {
	t.Parallel()
	gates := clienttest.Start(t, 2).Gates
	conn := through(t, "ada", at("tcp://"+gates[0].TCP.Addr(), "tcp://"+gates[1].TCP.Addr()))
	drained := make(chan error, 1)
	for i := range 300 {
		if i == 100 {
			gates[0].TCP.Refuse()
			go func() { drained <- gates[0].Gateway.Drain(waiting(t)) }()
		}
		text := fmt.Sprint(i)
		send(t, conn, text)
		receive(t, conn, text)
	}
	if err := <-drained; err != nil {
		t.Fatal(err)
	}
	send(t, conn, "still here")
	receive(t, conn, "still here")
}

// A gateway that is gone takes with it what it kept: another one goes on, and
// says that something may be missing.
func TestGatewayIsGone(t *testing.T) {
	t.Parallel()
	gates := clienttest.Start(t, 2).Gates
	conn := through(t, "ada", at(gates[0].URL(), gates[1].URL()))
	send(t, conn, "before")
	receive(t, conn, "before")
	gates[0].WebSocket.Refuse()
	if err := gates[0].Gateway.Stop(waiting(t)); err != nil {
		t.Fatal(err)
	}
	var lost *edge.Loss
	if _, err := conn.Receive(waiting(t)); !errors.As(err, &lost) || !lost.Unknown {
		t.Fatal(err)
	}
	send(t, conn, "after")
	receive(t, conn, "after")
}

// All clients of a gateway are cut off in one moment.
func TestManyComeBack(t *testing.T) {
	t.Parallel()
	gate := clienttest.Start(t, 1).Gates[0]
	conns := make([]*client.Conn, 200)
	for i := range conns {
		conns[i] = through(t, fmt.Sprint("user", i), at("tcp://"+gate.TCP.Addr()))
	}
	for range 3 {
		for _, conn := range conns {
			send(t, conn, "1")
		}
		gate.TCP.Cut()
		for _, conn := range conns {
			send(t, conn, "2")
		}
		for _, conn := range conns {
			receive(t, conn, "1")
			receive(t, conn, "2")
		}
	}
	var left sync.WaitGroup
	for _, conn := range conns {
		left.Go(conn.Close)
	}
	left.Wait()
}
