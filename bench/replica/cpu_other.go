//go:build !unix

package replica

import "time"

func cpu() time.Duration { return 0 }
