// Package deep is for lib only.
package deep

// D is exported, but not to everybody.
type D struct{ X int }
