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

// steady is how long a session lasts that was no accident: the pauses begin
// anew after it.
const steady = 100 * time.Millisecond

// addr is the process to try.
func (s *search) addr() string {
	if s.hint != "" {
		return s.hint
	}
	return s.addrs[s.next]
}

// failed notes that there is no session with the process that was tried, or
// none any more after it has lasted for a time, and where that process has sent
// the member. It tells how long to wait before the next attempt: not while there
// are processes left to try, or a hint to follow, unless hints lead in a circle.
func (s *search) failed(lasted time.Duration, hint string) time.Duration {
	if s.hint == "" {
		s.next = (s.next + 1) % len(s.addrs)
	}
	if lasted >= steady {
		s.hops, s.attempt, s.pause = 0, 0, backoff{}
	}
	s.hint = hint
	s.attempt++
	if hint != "" {
		s.hops++
		if s.hops <= len(s.addrs) {
			return 0
		}
	} else if s.attempt < len(s.addrs) && lasted == 0 {
		return 0
	}
	s.hops, s.attempt = 0, 0
	return s.pause.next()
}
