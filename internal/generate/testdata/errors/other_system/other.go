//go:build never

package other_system

import "context"

// A is left out.
//
//mallee:actor
type A interface {
	Do(ctx context.Context) error
}
