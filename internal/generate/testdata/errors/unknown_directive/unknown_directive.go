// ERROR: //mallee:onway is not a directive here; use one of //mallee:oneway, //mallee:readonly, //mallee:immutable

package unknown_directive

import "context"

//mallee:actor
type A interface {
	//mallee:onway
	Do(ctx context.Context) error
}
