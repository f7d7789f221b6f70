package client_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/client"
	"github.com/mallee-io/mallee/wire/edge"
)

func ExampleDial() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := client.Dial(ctx, client.Config{
		URLs:  []string{"quic://game.example:4433", "wss://game.example/play"},
		Login: client.Login(map[string]any{"open_id": "ada", "server_id": 1}),
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
	for {
		message, err := conn.Receive(ctx)
		var lost *edge.Loss
		switch {
		case errors.As(err, &lost): // messages are missing at this place
			err = conn.Send(ctx, mallee.Text("tell me everything anew"))
		case err == nil:
			fmt.Printf("%s\n", message.Data)
		}
		if err != nil {
			fmt.Println(err)
			return
		}
	}
}
