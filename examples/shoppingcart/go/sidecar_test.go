package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/examples/shoppingcart"
	"github.com/mallee-io/mallee/examples/shoppingcart/stock"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/sidecar"
	"github.com/mallee-io/mallee/storage"
)

// patience bounds what a busy machine may take.
const patience = time.Minute

// behindSidecar serves a user function until the test ends, in one process with
// the stock.
func behindSidecar(t *testing.T, function string) *sidecar.Sidecar {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	store := storage.Memory()
	s, err := sidecar.Start(ctx, sidecar.Config{
		Function: function, Listen: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler),
		Node: node.Config{Types: stock.Types(), Store: store, Placement: placement.Solo(store)},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		if err := s.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	if err := s.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	return s
}

// over HTTP, as the README does it.
func over(t *testing.T, method, url, body string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(content)
}

// Clients over HTTP and gRPC, a generated reference and tools see one cart.
func TestCartBehindASidecar(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, start function) {
		s := behindSidecar(t, start(t, false))
		url := "http://" + s.Addr()
		if status, body := over(t, http.MethodPost, url+"/cart/ann/items/add", `{"productId":"tea","name":"Tea","quantity":2}`); status != http.StatusOK || body != "{}" {
			t.Fatalf("%d %s", status, body)
		}
		if status, body := over(t, http.MethodPost, url+"/cart/ann/items/add", `{"productId":"tea","quantity":-2}`); status != http.StatusInternalServerError || body != "cannot add -2 of item tea" {
			t.Errorf("%d %s", status, body)
		}
		if _, err := shoppingcart.ShoppingCartOf(s.Node(), "ann").AddItem(t.Context(), &shoppingcart.AddLineItem{UserId: "ann", ProductId: "tea", Quantity: 1}); err != nil {
			t.Fatal(err)
		}
		var items []struct {
			ProductID string
			Quantity  int
		}
		if status, body := over(t, http.MethodGet, url+"/carts/ann/items", ""); json.Unmarshal([]byte(body), &items) != nil || len(items) != 1 || items[0].Quantity != 3 {
			t.Errorf("%d %s", status, body)
		}
		if cart, err := shoppingcart.NewShoppingCartClient(dial(t, s.Addr())).GetCart(t.Context(), &shoppingcart.GetShoppingCart{UserId: "ann"}); err != nil || len(cart.GetItems()) != 1 {
			t.Errorf("over gRPC: %v, %v", cart, err)
		}
		ann := mallee.ID{Type: "com.example.shoppingcart.ShoppingCart", Key: "ann"}
		if results, err := s.Node().InvokeJSON(t.Context(), ann, "", "GetCart", []byte(`[{"user_id":"ann"}]`)); err != nil || !strings.Contains(string(results), `"Tea"`) {
			t.Errorf("by a tool: %s, %v", results, err)
		}
		if status, body := over(t, http.MethodPost, url+"/cart/ann/items/tea/remove", ""); status != http.StatusOK {
			t.Errorf("%d %s", status, body)
		}
		if status, body := over(t, http.MethodGet, url+"/carts/ann", ""); body != `{"items":[]}` {
			t.Errorf("%d %s", status, body)
		}
	})
}

// The effect of a cart, in whatever language, reaches an actor in Go.
func TestCartTellsTheStock(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, start function) {
		s := behindSidecar(t, start(t, true))
		reserved := func() int32 {
			answer, err := stock.StockOf(s.Node(), "tea").Count(t.Context(), &stock.Product{ProductId: "tea"})
			if err != nil {
				t.Fatal(err)
			}
			return answer.GetQuantity()
		}
		for _, user := range []string{"ann", "bob"} {
			if _, err := shoppingcart.ShoppingCartOf(s.Node(), user).AddItem(t.Context(), &shoppingcart.AddLineItem{UserId: user, ProductId: "tea", Quantity: 2}); err != nil {
				t.Fatal(err)
			}
		}
		if n := reserved(); n != 4 {
			t.Errorf("%d are reserved", n)
		}
		if _, err := shoppingcart.ShoppingCartOf(s.Node(), "bob").RemoveItem(t.Context(), &shoppingcart.RemoveLineItem{UserId: "bob", ProductId: "tea"}); err != nil {
			t.Fatal(err)
		}
		if n := reserved(); n != 2 {
			t.Errorf("%d are still reserved", n)
		}
	})
}

// A cart, which runs in a user function, and the stock, an actor in Go, in one
// cluster: each is called as any actor is.
func Example() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	function := newServer(true) // in another process, in any language
	go func() { _ = function.Serve(listener) }()
	defer function.Stop()

	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	store := storage.Memory()
	s, err := sidecar.Start(ctx, sidecar.Config{
		Function: listener.Addr().String(),
		Listen:   "127.0.0.1:0",
		Log:      slog.New(slog.DiscardHandler),
		Node:     node.Config{Types: stock.Types(), Store: store, Placement: placement.Solo(store)},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = s.Stop(ctx) }()
	if err := s.Ready(ctx); err != nil {
		fmt.Println(err)
		return
	}

	cart := shoppingcart.ShoppingCartOf(s.Node(), "ann")
	if _, err := cart.AddItem(ctx, &shoppingcart.AddLineItem{UserId: "ann", ProductId: "tea", Name: "Tea", Quantity: 2}); err != nil {
		fmt.Println(err)
		return
	}
	all, err := cart.GetCart(ctx, &shoppingcart.GetShoppingCart{UserId: "ann"})
	fmt.Println(all.GetItems()[0].GetName(), all.GetItems()[0].GetQuantity(), err)

	reserved, err := stock.StockOf(s.Node(), "tea").Count(ctx, &stock.Product{ProductId: "tea"})
	fmt.Println("reserved:", reserved.GetQuantity(), err)
	// Output:
	// Tea 2 <nil>
	// reserved: 2 <nil>
}
