package procs

import (
	"io"
	"os"
)

// holdVariable tells a child that its standard input is a lifeline.
const holdVariable = "MALLEE_LIFELINE"

// Hold ends this process when the one that has started it by Start is gone. In
// other processes it does nothing. Call it first of all.
func Hold() {
	if os.Getenv(holdVariable) == "" {
		return
	}
	_ = os.Unsetenv(holdVariable) // what this process starts has another parent
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
}
