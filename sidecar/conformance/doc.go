// Package conformance runs real user functions, written with Cloudstate's own
// libraries and as they are, beside a sidecar: "make conformance". Its tests
// fetch and build each function into a cache outside of the repository, start
// it, and make the checks of package sidecartest.
package conformance
