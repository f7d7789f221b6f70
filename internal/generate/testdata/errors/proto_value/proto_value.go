// ERROR: parameter v of A.Do is a protobuf message without its pointer; pass a *structpb.Value

package proto_value

import (
	"context"

	"google.golang.org/protobuf/types/known/structpb"
)

//mallee:actor
type A interface {
	Do(ctx context.Context, v structpb.Value) error
}
