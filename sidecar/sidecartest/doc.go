// Package sidecartest tests sidecars, and the user functions beside them: a user
// function of our own that has every model of Cloudstate's conformance tests and
// misbehaves where it is told to (Start), a recorder of what goes between a
// sidecar and any user function (Intercept), and the checks themselves, of user
// functions (Models) and of sidecars (Proxies).
//
// It tests the protocol, not services: for those, start the sidecar.
package sidecartest

import "time"

// Patience bounds every wait. It is there for what never comes, and is long
// enough for a machine that is busy with other things.
const Patience = time.Minute
