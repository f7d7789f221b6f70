// ERROR: ARef is a name that is generated for actor A; call yours something else

package name_taken

import "context"

//mallee:actor
type A interface {
	Do(ctx context.Context) error
}

type ARef struct{}
