// ERROR: does not take a context; make its first parameter ctx context.Context

package missing_context

//mallee:actor
type A interface{ Do(n int) error }
