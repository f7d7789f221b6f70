//go:build unix

package procs

import (
	"os"
	"syscall"
)

// CanPause says whether the system can keep processes from running.
const CanPause = true

// ownGroup keeps Ctrl-C in a terminal from the child. When this process dies
// the group is orphaned: then the system also wakes and ends a child that is
// paused, which could not see the end of its lifeline.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func interrupt(p *os.Process) error { return p.Signal(syscall.SIGTERM) }
func pause(p *os.Process) error     { return p.Signal(syscall.SIGSTOP) }
func resume(p *os.Process) error    { return p.Signal(syscall.SIGCONT) }

// interruptGroup asks a process of its own group, and what it has started, to
// end; killGroup does not ask.
func interruptGroup(p *os.Process) error { return syscall.Kill(-p.Pid, syscall.SIGTERM) }
func killGroup(p *os.Process)            { _ = syscall.Kill(-p.Pid, syscall.SIGKILL) }
