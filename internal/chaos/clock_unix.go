//go:build unix && !solaris && !aix && !illumos

package chaos

import "golang.org/x/sys/unix"

// now is the monotonic clock of the machine. Unlike the one inside time.Time
// it has the same origin in all processes.
func now() Time {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(err) // POSIX knows no reason for it
	}
	return Time(t.Nano())
}
