// ERROR: actor_test.go:5: //mallee:actor stands in a test, and what is generated for it would be part of the program; move the type to a file that is no test

package test_only
