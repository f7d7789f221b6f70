// ERROR: field secret of Item, in parameter i of A.Do, is not exported and would be lost; export it, tag it `mallee:"-"`, or give Item the methods MarshalBinary and UnmarshalBinary

package unexported_field

import "context"

//mallee:actor
type A interface {
	Do(ctx context.Context, i []*Item) error
}

type Item struct{ secret int }
