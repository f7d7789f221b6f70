package login

import (
	"container/heap"
	"crypto/sha256"
	"sync"
	"time"

	"github.com/mallee-io/mallee/wire/edge"
)

// mostUsed is how many logins are remembered if nothing is said of it.
const mostUsed = 1_000_000

// used are logins that must not come again while they are valid. It forgets
// none before its time: when it is full, new ones are refused.
type used struct {
	most int // 0: mostUsed

	mu    sync.Mutex
	known map[mark]struct{}
	ends  ends // of known
}

// mark stands for a login.
type mark [16]byte

func markOf(login string) mark {
	sum := sha256.Sum256([]byte(login))
	return mark(sum[:16])
}

// use refuses a login that was used before. It is remembered until its end.
func (u *used) use(p mark, until, now time.Time) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	for len(u.ends) > 0 && u.ends[0].at < now.Unix() {
		delete(u.known, heap.Pop(&u.ends).(end).of)
	}
	if _, there := u.known[p]; there {
		return &Refusal{Code: edge.CodeLoginReplayed, Reason: "the login has been used before"}
	}
	most := u.most
	if most <= 0 {
		most = mostUsed
	}
	if len(u.ends) >= most {
		return &Refusal{Code: edge.CodeOverloaded, Reason: "too many logins at the moment"}
	}
	if u.known == nil {
		u.known = map[mark]struct{}{}
	}
	u.known[p] = struct{}{}
	heap.Push(&u.ends, end{until.Unix(), p})
	return nil
}

// end is when a login need not be remembered any more.
type end struct {
	at int64 // second; nanoseconds would end in 2262, and tokens may not
	of mark
}

// ends is a heap with the next end on top.
type ends []end

func (e ends) Len() int           { return len(e) }
func (e ends) Less(i, j int) bool { return e[i].at < e[j].at }
func (e ends) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *ends) Push(x any)        { *e = append(*e, x.(end)) }
func (e *ends) Pop() any {
	last := len(*e) - 1
	x := (*e)[last]
	*e = (*e)[:last]
	return x
}
