package carrier

import (
	"time"

	"github.com/mallee-io/mallee/wire/edge"
)

// ration bounds frames that come to nobody but make work: pings, pongs, and
// fragments that are empty. Those who count messages do not see them.
type ration struct {
	since time.Time
	n     int
}

// maxVain is how many of them may come in a second.
const maxVain = 64

func (r *ration) take() error {
	r.n++
	if r.n <= maxVain {
		return nil
	}
	now := time.Now()
	if now.Sub(r.since) < time.Second {
		return &edge.Violation{Code: edge.CodeRateLimited, Reason: "too many pings or empty fragments"}
	}
	r.since, r.n = now, 1
	return nil
}
