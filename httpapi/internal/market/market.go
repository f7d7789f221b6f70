// Package market has actors whose methods carry what JSON is picky about, for
// the tests of httpapi.
package market

import (
	"context"
	"errors"
	"math"
	"math/big"
	"net/netip"
	"net/url"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/httpapi/internal/market/freight"
)

//go:generate go run github.com/mallee-io/mallee/cmd/mallee generate

// ErrSoldOut is an error of the application.
var ErrSoldOut = mallee.NewError("market.sold_out", "sold out")

// Stall sells goods. There is one per key.
//
//mallee:actor
type Stall interface {
	// Buy takes n of an item, e.g. apples. It fails with
	// market.sold_out when there are fewer.
	//
	// A second paragraph.
	Buy(ctx context.Context, item string, n int) (left int, err error)
	// Stock lists what there is.
	//
	//mallee:readonly
	Stock(ctx context.Context) ([]Item, error)
	// Ring calls the seller.
	//
	//mallee:oneway
	Ring(ctx context.Context, loud bool) error
	Close(ctx context.Context) error
	// Load takes two kinds of Item.
	Load(ctx context.Context, item Item, from freight.Item) (freight.Item, error)
	Mixed(ctx context.Context, mixed Mixed) (Mixed, error)
	Walk(ctx context.Context, tree *Tree, shelves Shelves) (*Tree, error)
	// Divide can give what JSON cannot carry.
	Divide(ctx context.Context, a, b float64) (float64, error)
	Key(ctx context.Context) (string, error)
	Fail(ctx context.Context, code, message string) error
}

// Greeter is a second interface of stalls.
//
//mallee:actor
type Greeter interface {
	// Key is also a method of Stall.
	Key(ctx context.Context) (string, error)
	Greet(ctx context.Context, name string) (string, error)
}

// Item is for sale.
type Item struct {
	Name  string   `json:"name" doc:"What it is" minLength:"1"`
	Price float64  `json:"price" minimum:"0"`
	Tags  []string `json:"tags"`
	Note  string   `json:"note,omitempty"`
}

// Tree is recursive through a pointer, a slice and a map.
type Tree struct {
	Value    int8             `json:"value"`
	Left     *Tree            `json:"left"`
	Children []Tree           `json:"children"`
	Index    map[string]*Tree `json:"index"`
}

// Shelves is recursive without a struct.
type Shelves map[string]Shelves

type base struct {
	ID     string
	Hidden int
}

// Pair is generic.
type Pair[A, B any] struct {
	First  A
	Second B
}

// Mixed has types with ways of their own in JSON.
type Mixed struct {
	base
	freight.Crate
	*Tree   `json:"tree"`
	Hidden  string
	Bytes   []byte
	Array   [3]byte
	When    time.Time
	Wait    time.Duration
	Big     *big.Int
	Addr    netip.Addr
	URL     url.URL
	Actor   mallee.ID
	Small   uint8
	Large   uint64
	ByInt   map[int]Item
	Quoted  int `json:",string"`
	Maybe   *bool
	Pair    Pair[string, []freight.Item]
	Again   Pair[Item, int]
	Unnamed struct{ X, Y int }
	Skipped complex128 `json:"-" mallee:"-"`
}

// NewMixed has every field set.
func NewMixed() Mixed {
	yes := true
	return Mixed{
		base:  base{ID: "b"},
		Crate: freight.Crate{Weight: 2.5, Label: "fragile"},
		Tree:  &Tree{Value: 1, Left: &Tree{}, Children: []Tree{{Value: 2}}, Index: map[string]*Tree{"x": nil}},
		Bytes: []byte{0, 255}, Array: [3]byte{1, 2, 3},
		When: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), Wait: time.Second,
		Big: big.NewInt(7), Addr: netip.MustParseAddr("::1"), URL: url.URL{Host: "x", User: url.User("u")},
		Actor: mallee.ID{Type: "Stall", Key: "a/b"},
		Small: 200, Large: math.MaxUint64, ByInt: map[int]Item{-1: {Name: "n"}}, Quoted: -5, Maybe: &yes,
		Pair:  Pair[string, []freight.Item]{First: "f", Second: []freight.Item{{Tons: 3}}},
		Again: Pair[Item, int]{First: Item{Name: "m", Tags: []string{"t"}}},
	}
}

// NewStall makes a stall with ten apples for its key.
func NewStall(key string) *Seller { return &Seller{key: key, apples: 10, Rung: make(chan bool, 1)} }

// Seller is an actor of both interfaces.
type Seller struct {
	key    string
	apples int
	Rung   chan bool
}

func (s *Seller) Buy(_ context.Context, item string, n int) (int, error) {
	if item != "apple" || n > s.apples {
		return 0, ErrSoldOut.Errorf("no %d of %s", n, item)
	}
	s.apples -= n
	return s.apples, nil
}

func (s *Seller) Stock(context.Context) ([]Item, error) {
	return []Item{{Name: "apple", Price: 1}}, nil
}

func (s *Seller) Ring(_ context.Context, loud bool) error {
	s.Rung <- loud
	return nil
}

func (s *Seller) Close(context.Context) error { return nil }

func (s *Seller) Load(_ context.Context, item Item, from freight.Item) (freight.Item, error) {
	from.Tons += int(item.Price)
	return from, nil
}

func (s *Seller) Mixed(_ context.Context, mixed Mixed) (Mixed, error) { return mixed, nil }

func (s *Seller) Walk(_ context.Context, tree *Tree, _ Shelves) (*Tree, error) { return tree, nil }

func (s *Seller) Divide(_ context.Context, a, b float64) (float64, error) { return a / b, nil }

func (s *Seller) Key(context.Context) (string, error) { return s.key, nil }

func (s *Seller) Fail(_ context.Context, code, message string) error {
	if code == "" {
		return errors.New(message)
	}
	return mallee.NewError(mallee.Code(code), message)
}

func (s *Seller) Greet(_ context.Context, name string) (string, error) { return "hello " + name, nil }
