package conformance_test

import (
	"os"
	"testing"
)

// A function with the models that is built already: with a library that cannot
// be fetched, or one that is being written.
func TestProgram(t *testing.T) {
	program := os.Getenv("MALLEE_TEST_FUNCTION")
	if program == "" {
		t.Skip("MALLEE_TEST_FUNCTION is not set")
	}
	library{name: "program", build: func(*workshop) []string { return []string{program} }}.conforms(t)
}
