package gateway

import (
	"sync"
	"time"

	"github.com/mallee-io/mallee/gateway/login"
	"github.com/mallee-io/mallee/wire/edge"
)

// verdicts are the sessions that actors have ended: whoever comes back to one is
// told so again, as long as a token may be good. Other gateways ask for them with
// the session. They end with this process; what has to outlive it is for a login
// or an OnConnect to refuse.
type verdicts struct {
	mu  sync.Mutex
	of  map[uint64]edge.Closed // by session ID
	due []due                  // of them, the oldest first
}

type due struct {
	session uint64
	at      time.Duration
}

// maxVerdicts bounds their memory to some 20 MB. The oldest is forgotten first.
const maxVerdicts = 100_000

// add remembers how a session was ended. The first verdict stays.
func (v *verdicts) add(session uint64, why edge.Closed, now time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for len(v.due) > 0 && (v.due[0].at <= now || len(v.due) >= maxVerdicts) {
		delete(v.of, v.due[0].session)
		v.due = v.due[1:]
	}
	if _, there := v.of[session]; there {
		return
	}
	if v.of == nil {
		v.of = make(map[uint64]edge.Closed)
	}
	v.of[session] = why
	v.due = append(v.due, due{session, now + tokenLife})
}

// refusal is what a client is told that comes back to a session; nil: nobody has
// ended it.
func (v *verdicts) refusal(session uint64) *login.Refusal {
	v.mu.Lock()
	defer v.mu.Unlock()
	why, there := v.of[session]
	if !there {
		return nil
	}
	return &login.Refusal{Code: why.Code, Reason: why.Reason}
}
