// ERROR: field f of Inner, in parameter o of A.Do (field In of Outer), is not exported and would be lost

package nested_struct

import "context"

//mallee:actor
type A interface {
	Do(ctx context.Context, o Outer) error
}

type Outer struct{ In map[string]Inner }

type Inner struct{ f int }
