package placement

import "time"

// search says which process to try next for a session with the leader. It is
// for one goroutine.
type search struct {
	addrs   []string
	next    int    // of addrs
	hint    string // address of the leader, from a process that does not lead
	hops    int    // hints followed in a row
	attempt int    // since the last pause
	pause   backoff
}

// addr is the process to try.
func (s *search) addr() string {
	if s.hint != "" {
		return s.hint
	}
	return s.addrs[s.next]
}

// failed notes that there is no session with the process that was tried, or
// none any more, and where that process has sent the member. It tells how long to
// wait before the next attempt: not while there are processes left to try, or a
// hint to follow, unless hints lead in a circle.
func (s *search) failed(welcomed bool, hint string) time.Duration {
	if welcomed {
		*s = search{addrs: s.addrs, next: s.next}
	}
	if s.hint == "" || hint == "" { // a hint that was of no use does not cost a configured process its turn
		s.next = (s.next + 1) % len(s.addrs)
	}
	s.hint = hint
	s.attempt++
	if hint != "" {
		s.hops++
		if s.hops <= len(s.addrs) {
			return 0
		}
	} else if s.attempt < len(s.addrs) && !welcomed {
		return 0
	}
	s.hops, s.attempt = 0, 0
	return s.pause.next()
}
