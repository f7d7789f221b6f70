// Package greeter is a service of a proto as Go code has it, for tests.
package greeter

import (
	"context"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/mallee-io/mallee"
)

//go:generate go run github.com/mallee-io/mallee/cmd/mallee generate

// Greeter greets.
//
//mallee:actor name=t.Greeter
type Greeter interface {
	// Greet greets those who have a name, and answers others with nothing.
	Greet(ctx context.Context, name *wrapperspb.StringValue) (*wrapperspb.StringValue, error)
	// Refuse answers with an error.
	Refuse(ctx context.Context, why *wrapperspb.StringValue) (*wrapperspb.StringValue, error)
	// Other has a shape that no rpc has.
	Other(ctx context.Context, n int) error
}

type greeter struct{}

// New makes a Greeter.
func New(*mallee.Self) Greeter { return greeter{} }

func (greeter) Greet(_ context.Context, name *wrapperspb.StringValue) (*wrapperspb.StringValue, error) {
	if name.Value == "" { // not GetValue: no message would be a defect
		return nil, nil
	}
	return wrapperspb.String("hello " + name.Value), nil
}

func (greeter) Refuse(_ context.Context, why *wrapperspb.StringValue) (*wrapperspb.StringValue, error) {
	return nil, mallee.NewError("greeter.refused", why.GetValue())
}

func (greeter) Other(context.Context, int) error { return nil }
