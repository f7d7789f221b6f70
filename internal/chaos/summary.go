package chaos

import (
	"slices"
	"time"
)

// Summary is what a run has come to. Its JSON is for programs and does not
// change its meaning.
type Summary struct {
	Calls             int          `json:"calls"`
	Failed            int          `json:"failed"`           // or nobody knows
	FailedInDrains    int          `json:"failed_in_drains"` // of those that began in a drain
	LostAcks          int          `json:"lost_acks"`
	DoubleActivations int          `json:"double_activations"`
	Nonlinearizable   int          `json:"nonlinearizable"`
	Failover          Quantiles    `json:"failover_ms"`
	Faults            map[Kind]int `json:"faults"`
	Replicated        *Replicated  `json:"replicated,omitempty"` // nil without tallies
	Sessions          *Sessions    `json:"sessions,omitempty"`   // nil without clients
}

// Quantiles are those of how long actors were away whose node was killed, in
// milliseconds: from its end to the next answer.
type Quantiles struct {
	Actors int `json:"actors"` // how many there were, of all kills
	Spread
}

// Spread is that of times in milliseconds.
type Spread struct {
	P50 int64 `json:"p50"`
	P99 int64 `json:"p99"`
	Max int64 `json:"max"`
}

// Summarize counts what a history has and what it was found guilty of.
func Summarize(h *History, v Verdict) Summary {
	s := Summary{
		Calls: len(h.Calls), Faults: make(map[Kind]int),
		LostAcks: v.LostAcks, DoubleActivations: v.DoubleActivations, Nonlinearizable: v.Nonlinearizable,
	}
	for i := range h.Calls {
		if c := &h.Calls[i]; c.Outcome != OK {
			s.Failed++
			if h.during(c.Invoke, 0, Kind.drains) {
				s.FailedInDrains++
			}
		}
	}
	for _, f := range h.Faults {
		s.Faults[f.Kind]++
	}
	away := failovers(h)
	s.Failover = Quantiles{len(away), spread(away)}
	if v.Replicated.Marks > 0 {
		s.Replicated = &v.Replicated
	}
	if v.Sessions.Clients > 0 {
		s.Sessions = &v.Sessions
	}
	return s
}

// Clean reports whether the cluster has kept its promises.
func (s *Summary) Clean() bool {
	return s.FailedInDrains+s.LostAcks+s.DoubleActivations+s.Nonlinearizable == 0 &&
		(s.Replicated == nil || s.Replicated.Clean()) && (s.Sessions == nil || s.Sessions.Clean())
}

// spread of durations that it sorts.
func spread(d []time.Duration) Spread {
	return Spread{quantile(d, 0.5).Milliseconds(), quantile(d, 0.99).Milliseconds(), quantile(d, 1).Milliseconds()}
}

// quantile of durations that it sorts; 0 if there are none.
func quantile(d []time.Duration, q float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[min(int(q*float64(len(d))), len(d)-1)]
}
