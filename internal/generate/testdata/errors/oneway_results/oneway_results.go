// ERROR: one-way method A.Do has results that nobody waits for; return only an error or take //mallee:oneway away

package oneway_results

import "context"

//mallee:actor
type A interface {
	//mallee:oneway
	Do(ctx context.Context) (int, error)
}
