// ERROR: actor interface A has type constraints; an actor interface has only methods

package constraint

//mallee:actor
type A interface{ ~int }
