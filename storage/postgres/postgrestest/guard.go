package postgrestest

import (
	"io"
	"os/exec"
	"strconv"
)

// guard ends a server and removes its files when this process has ended
// without doing so, as a test does that panics or takes too long.
type guard struct {
	shell *exec.Cmd
	alive io.Closer // which the shell waits to see closed
}

const guardScript = `
	cat
	kill -QUIT "$0"
	while kill -0 "$0"; do sleep 0.1; done
	rm -rf "$1"`

func newGuard(pid int, dir string) (*guard, error) {
	shell := exec.Command("sh", "-c", guardScript, strconv.Itoa(pid), dir)
	alive, err := shell.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := shell.Start(); err != nil {
		return nil, err
	}
	return &guard{shell: shell, alive: alive}, nil
}

// dismiss is called before the server ends.
func (g *guard) dismiss() {
	_ = g.shell.Process.Kill() // first: what follows would wake it
	_ = g.shell.Wait()
	_ = g.alive.Close()
}
