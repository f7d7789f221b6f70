package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/mallee-io/mallee"
	edgeclient "github.com/mallee-io/mallee/client"
	"github.com/mallee-io/mallee/gateway"
	"github.com/mallee-io/mallee/gateway/login"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/wire/edge"
)

// shouter says what it hears, louder.
type shouter struct{ self *mallee.Self }

func (s *shouter) OnConnect(context.Context, mallee.Session, mallee.Arrival) error { return nil }

func (s *shouter) OnMessage(ctx context.Context, from mallee.Session, m mallee.Message) error {
	return s.self.Send(ctx, mallee.Text(from.User+": "+strings.ToUpper(string(m.Data))), from)
}

func (s *shouter) OnDisconnect(context.Context, mallee.Session, mallee.DisconnectReason) error {
	return nil
}

// knock lets in who knows the password, which everybody does.
func knock(_ context.Context, r *login.Request) (login.Admission, error) {
	var said struct{ Name, Password string }
	if err := json.Unmarshal(r.Packet, &said); err != nil {
		return login.Admission{}, &login.Refusal{Code: edge.CodeLoginInvalid, Reason: "the login is not JSON"}
	}
	if said.Password != "mellon" {
		return login.Admission{}, &login.Refusal{Code: edge.CodeLoginRefused, Reason: "the password is wrong"}
	}
	return login.Admission{User: said.Name, Actor: mallee.ID{Type: "Shouter", Key: said.Name}}, nil
}

// A gateway in the process of a node, beside the pages of a web server.
func Example() {
	ctx := context.Background()
	shouters := mallee.NewType(mallee.Interface{Name: "Shouter"}, func(self *mallee.Self) any { return &shouter{self} })
	n, err := node.Start(ctx, node.Config{Types: []mallee.Type{shouters}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer n.Stop(ctx)

	g, err := gateway.New(gateway.Config{
		Node:     n,
		Login:    login.Func(knock),
		Messages: gateway.Rate{PerSecond: 50, Burst: 100},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer g.Stop(ctx)

	mux := http.NewServeMux()
	mux.Handle("/play", g)
	server := httptest.NewUnstartedServer(mux) // in a program, an http.Server
	server.Config.ReadTimeout = 10 * time.Second
	server.Start()
	defer server.Close()

	conn, err := edgeclient.Dial(ctx, edgeclient.Config{
		URLs:  []string{"ws://" + server.Listener.Addr().String() + "/play"},
		Login: edgeclient.Login(map[string]any{"name": "ann", "password": "mellon"}),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	if err := conn.Send(ctx, mallee.Text("hello")); err != nil {
		fmt.Println(err)
		return
	}
	answer, err := conn.Receive(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s\n", answer.Data)
	// Output: ann: HELLO
}
