package koalahttp

import "time"

const (
	settleTime = 5 * time.Second // a host gets no actors before
	leastLimit = 10              // of loads, so that hosts with little to do count as equal
	mostLoad   = 1 << 40         // loads above count as this one, so that sums stay numbers
)

// choose picks the host that gets an actor, by Koala's weighted random: a host
// offers the type, registered 5 seconds ago or more and has no negative load;
// its weight is 11/10 of the greatest load, or of 10, less its own. random
// returns a number from 0 to n-1, as rand.Int64N does. ErrNoType when no host
// offers the type, ErrNoServer when none that does may get actors now.
func choose(hosts []Host, actorType string, now time.Time, random func(n int64) int64) (Host, error) {
	offered := false
	var candidates []Host
	limit := int64(leastLimit)
	for _, h := range hosts {
		if h.Services[actorType] == "" {
			continue
		}
		offered = true
		if h.Load < 0 || now.UnixMilli()-h.StartTime < settleTime.Milliseconds() {
			continue
		}
		limit = max(limit, min(h.Load, mostLoad))
		candidates = append(candidates, h)
	}
	switch {
	case !offered:
		return Host{}, ErrNoType
	case len(candidates) == 0:
		return Host{}, ErrNoServer
	}
	limit = limit * 11 / 10
	weight := func(h Host) int64 { return limit - min(h.Load, mostLoad) }
	var sum int64
	for _, h := range candidates {
		sum += weight(h)
	}
	r := random(sum)
	for i := 0; ; i++ {
		if r -= weight(candidates[i]); r < 0 {
			return candidates[i], nil
		}
	}
}
