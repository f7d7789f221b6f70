// ERROR: cannot report that a call has failed; make its last result an error

package missing_error

import "context"

//mallee:actor
type A interface{ Do(ctx context.Context) int }
