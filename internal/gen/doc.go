// Package gen holds what is generated from the sources in proto/.
package gen

//go:generate go -C ../.. run github.com/bufbuild/buf/cmd/buf@v1.57.2 generate
