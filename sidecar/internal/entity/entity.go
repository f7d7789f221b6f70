// Package entity makes actors of the event sourced and value entities of a user
// function.
package entity

import (
	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
)

// Type is the actor type of a service whose entities are event sourced or
// values.
func Type(_ *spec.Service, _ Config) mallee.Type { panic("not yet") }
