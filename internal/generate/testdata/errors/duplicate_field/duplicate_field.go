// ERROR: fields A and B of Item have the same name "x" on the wire

package duplicate_field

import "context"

//mallee:actor
type A interface {
	Do(ctx context.Context, i Item) error
}

type Item struct {
	A int `mallee:"x"`
	B int `mallee:"x"`
}
