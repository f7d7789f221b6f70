package procs

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/windows"
)

// CanPause says whether the system can keep processes from running.
const CanPause = false

// ownGroup keeps Ctrl-C in a console from the child.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP}
}

// interrupt is what Go programs see as os.Interrupt.
func interrupt(p *os.Process) error {
	return windows.GenerateConsoleCtrlEvent(windows.CTRL_BREAK_EVENT, uint32(p.Pid))
}

func pause(*os.Process) error  { return errors.ErrUnsupported }
func resume(*os.Process) error { return errors.ErrUnsupported }

// interruptGroup asks a process of its own group, and what it has started, to
// end. There is no way to kill a group.
func interruptGroup(p *os.Process) error { return interrupt(p) }
func killGroup(p *os.Process)            { _ = p.Kill() }
