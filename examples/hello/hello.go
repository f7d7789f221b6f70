// Command hello has one actor and calls it.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/node"
)

//go:generate go run github.com/mallee-io/mallee/cmd/mallee generate

// Greeter counts whom it has greeted.
//
//mallee:actor
type Greeter interface {
	Greet(ctx context.Context, name string) (greeting string, err error)
}

type greeter struct{ greeted *mallee.State[int] }

func newGreeter(self *mallee.Self) Greeter {
	return &greeter{greeted: mallee.NewState[int](self, "greeted")}
}

func (g *greeter) Greet(ctx context.Context, name string) (string, error) {
	g.greeted.Value++
	return fmt.Sprintf("Hello %s, you are number %d.", name, g.greeted.Value), g.greeted.Save(ctx)
}

func main() {
	ctx := context.Background()
	n, err := node.Start(ctx, node.Config{Types: []mallee.Type{GreeterType(newGreeter)}})
	if err != nil {
		log.Fatal(err)
	}
	for _, name := range []string{"Ada", "Grace"} {
		greeting, err := GreeterOf(n, "reception").Greet(ctx, name)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(greeting)
	}
	if err := n.Stop(ctx); err != nil {
		log.Fatal(err)
	}
}
