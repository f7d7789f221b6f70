// Package stock is a service of a proto whose actors are written in Go. Carts,
// in whatever language, reserve with it what is put into them.
package stock

import (
	"context"

	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/mallee-io/mallee"
)

//go:generate go run github.com/mallee-io/mallee/cmd/mallee generate -I ../proto --proto com/example/stock/stock.proto

// Types are what a node needs to host the stock.
func Types() []mallee.Type { return []mallee.Type{StockType(newStock)} }

// product is the stock of one product: how many each cart has reserved.
type product struct {
	reserved *mallee.State[map[string]int32]
}

func newStock(self *mallee.Self) *product {
	return &product{mallee.NewState[map[string]int32](self, "reserved")}
}

func (p *product) Reserve(ctx context.Context, in *Reservation) (*emptypb.Empty, error) {
	if in.GetQuantity() < 0 {
		return nil, mallee.ErrInvalid.Errorf("%d of %s cannot be reserved", in.GetQuantity(), in.GetProductId())
	}
	if p.reserved.Value == nil {
		p.reserved.Value = make(map[string]int32)
	}
	p.reserved.Value[in.GetUserId()] = in.GetQuantity()
	if in.GetQuantity() == 0 {
		delete(p.reserved.Value, in.GetUserId())
	}
	return &emptypb.Empty{}, p.reserved.Save(ctx)
}

func (p *product) Count(context.Context, *Product) (*Reserved, error) {
	total := &Reserved{}
	for _, n := range p.reserved.Value {
		total.Quantity += n
	}
	return total, nil
}
