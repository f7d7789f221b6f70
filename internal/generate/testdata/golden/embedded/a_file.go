package embedded

import "context"

// Knocker is part of another interface.
type Knocker interface {
	// Knock is heard or not.
	//mallee:oneway
	Knock(ctx context.Context) error
}
