// Package grain is what a user of Proto.Actor's grains writes and generates:
// an interface in a .proto file, and its client and actor.
package grain

//go:generate protoc --go-grain_out=. --go-grain_opt=paths=source_relative echo.proto
