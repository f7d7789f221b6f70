// ERROR: other.go:9: //mallee:actor stands in a file that is not built here; move the type to a file without build constraints

package other_system
