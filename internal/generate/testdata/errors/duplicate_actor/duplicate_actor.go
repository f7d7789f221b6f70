// ERROR: actor interfaces A and B have the same name "same"; give one of them //mallee:actor name=NAME

package duplicate_actor

import "context"

//mallee:actor name=same
type A interface {
	Do(ctx context.Context) error
}

//mallee:actor name=same
type B interface {
	Do(ctx context.Context) error
}
