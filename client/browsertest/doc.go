// Package browsertest runs client/ts in a headless Chromium. It is a module of
// its own, so that what drives the browser is not among the dependencies of
// users.
package browsertest
