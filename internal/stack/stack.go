// Package stack makes room on the stacks of new goroutines that are about to
// call deeply. It costs little while there is nothing on the stack; later all
// frames have to be moved, and often twice.
package stack

// Room2K makes room for 2 KiB.
func Room2K() { room2K(false) }

// Room6K makes room for 6 KiB.
func Room6K() { room6K(false) }

//go:noinline
func room2K(use bool) {
	if use { // only the size of the frame matters; nothing is to be cleared
		var room [2 << 10]byte
		fill(room[:])
	}
}

//go:noinline
func room6K(use bool) {
	if use {
		var room [6 << 10]byte
		fill(room[:])
	}
}

//go:noinline
func fill(room []byte) { room[0] = 1 }
