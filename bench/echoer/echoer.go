// Package echoer has the actor that Mallee runs in comparisons.
package echoer

import (
	"context"

	"github.com/mallee-io/mallee"
)

//go:generate go tool mallee generate

// Echoer answers with what it is told.
//
//mallee:actor
type Echoer interface {
	Echo(ctx context.Context, msg string) (string, error)
}

type echoer struct{}

// New makes an Echoer.
func New(*mallee.Self) Echoer { return echoer{} }

func (echoer) Echo(_ context.Context, msg string) (string, error) { return msg, nil }
