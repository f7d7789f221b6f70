package limit

import "sync/atomic"

// Memory is a budget of bytes for what clients make a gateway keep. Above the
// first mark it refuses logins, above the second one sessions have to give
// bytes back, and above the budget there is nothing. It is safe for concurrent
// use.
type Memory struct {
	Budget int64 // bytes; 0: no limit

	used atomic.Int64
}

// Marks, as shares of the budget.
const (
	refuseAt = 0.75 // no new sessions
	shedAt   = 0.90 // those that have most give back, until refuseAt is reached
)

// Reserve takes n bytes if they are there. What is taken has to be released.
func (m *Memory) Reserve(n int64) bool {
	if used := m.used.Add(n); m.Budget > 0 && used > m.Budget {
		m.used.Add(-n)
		return false
	}
	return true
}

// Release gives n bytes back.
func (m *Memory) Release(n int64) { m.used.Add(-n) }

// Used bytes.
func (m *Memory) Used() int64 { return m.used.Load() }

// Refuses reports whether there is no room for new sessions.
func (m *Memory) Refuses() bool { return m.above(refuseAt) > 0 }

// Excess is how many bytes sessions have to give back now; mostly 0. It goes
// down to the first mark, so that shedding is not needed again at once.
func (m *Memory) Excess() int64 {
	if m.above(shedAt) == 0 {
		return 0
	}
	return m.above(refuseAt)
}

// above is how many bytes are used above a mark.
func (m *Memory) above(mark float64) int64 {
	if m.Budget <= 0 {
		return 0
	}
	return max(0, m.used.Load()-int64(mark*float64(m.Budget)))
}
