// ERROR: parameter also of A.Do is the reference roundtrip.AlsoRef, which holds its caller; pass its ID(), a mallee.ID

package foreign_reference

import (
	"context"

	"github.com/mallee-io/mallee/internal/generate/roundtrip"
)

//mallee:actor
type A interface {
	Do(ctx context.Context, also roundtrip.AlsoRef) error
}
