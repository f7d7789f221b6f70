package cli

import (
	"log/slog"
	"net/http"

	"github.com/mallee-io/mallee/examples/arena"
	"github.com/mallee-io/mallee/examples/game"
	"github.com/mallee-io/mallee/gateway"
	"github.com/mallee-io/mallee/gateway/login"
	"github.com/mallee-io/mallee/httpapi"
	"github.com/mallee-io/mallee/node"
)

// demoDoors are what the demo serves: the arena with its gateway, and the HTTP
// API of the game that plays by itself.
type demoDoors struct {
	*http.ServeMux
	gateway *gateway.Gateway
}

func openDoors(n *node.Node, log *slog.Logger) (*demoDoors, error) {
	api, err := httpapi.New(httpapi.Config{Caller: n, Types: game.Types(), Title: "Mallee demo"})
	if err != nil {
		return nil, err
	}
	accounts, err := login.NewAccounts(n, arena.AccountsActor)
	if err != nil {
		return nil, err
	}
	g, err := gateway.New(gateway.Config{Node: n, Login: accounts, Alone: true, Log: log})
	if err != nil {
		return nil, err
	}
	d := &demoDoors{http.NewServeMux(), g}
	d.Handle("/", api)
	d.Handle("/arena/", http.StripPrefix("/arena", arena.Handler(g)))
	return d, nil
}
