//go:build !unix || solaris || aix || illumos

package chaos

import "time"

// now is the clock on the wall, for systems whose monotonic clock processes
// cannot share: a run in which it is set is not to be trusted.
func now() Time { return Time(time.Now().UnixNano()) }
