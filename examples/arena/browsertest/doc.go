// Package browsertest plays the arena in a browser. It is a module of its own,
// so that the driver of the browser is not among the dependencies of users.
package browsertest
