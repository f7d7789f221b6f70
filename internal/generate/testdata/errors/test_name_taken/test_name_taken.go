// ERROR: name_test.go:3: AOf is a name that is generated for actor A; call yours something else

package test_name_taken

import "context"

//mallee:actor
type A interface {
	Do(ctx context.Context) error
}
