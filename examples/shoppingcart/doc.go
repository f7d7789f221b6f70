// Package shoppingcart has the messages of the sample, and the reference by
// which Go code calls carts, in whatever language they are written. The carts
// are in go and js; README.md says how to start them.
package shoppingcart

//go:generate go run github.com/mallee-io/mallee/cmd/mallee generate -I proto --proto com/example/shoppingcart/shoppingcart.proto
//go:generate go -C ../.. run github.com/bufbuild/buf/cmd/buf@v1.57.2 build --path examples/shoppingcart/proto/com --as-file-descriptor-set --exclude-source-info -o examples/shoppingcart/js/shoppingcart.binpb
