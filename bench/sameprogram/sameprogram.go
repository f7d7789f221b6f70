// Package sameprogram lets Hollywood and Proto.Actor be linked into one
// program. Both register a protobuf file "actor.proto" with a message
// "actor.PID", and the protobuf runtime panics at the second. Neither
// contestant of this module looks the message up by name, so which of the two
// is registered does not matter.
//
// The variable must be set before any package of google.golang.org/protobuf is
// initialized, and so before main. It is: packages whose imports are ready are
// initialized in the order of their paths, and this one sorts first.
package sameprogram

import "os"

var _ = os.Setenv("GOLANG_PROTOBUF_REGISTRATION_CONFLICT", "ignore")
