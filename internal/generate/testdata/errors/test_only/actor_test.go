package test_only

import "context"

//mallee:actor
type A interface {
	Do(ctx context.Context) error
}
