// ERROR: hidden_builtin.go:8: string hides what generated code means by that name; call yours something else
// ERROR: hidden_builtin.go:11: wire is also the package that generated code imports; call yours something else

package hidden_builtin

import "context"

type string int

// A function of that name is in the way of the import.
func wire(string) {}

var _ = wire

//mallee:actor
type A interface {
	Do(ctx context.Context) error
}
