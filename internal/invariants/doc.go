// Package invariants has only tests, of what must stay true of the repository
// as a whole: which way imports point, and that documents name what exists.
package invariants
