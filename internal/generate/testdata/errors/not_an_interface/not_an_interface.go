// ERROR: //mallee:actor stands above A, which is not declared as an interface; mark the interface that callers use

package not_an_interface

//mallee:actor
type A struct{}
