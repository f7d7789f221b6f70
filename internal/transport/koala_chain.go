package transport

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/activation"
	"github.com/mallee-io/mallee/wire/koala"
)

// To a Koala host a call chain is a number, the reentrant id. A call that comes
// from a host carries it in its Chain, as a foreign hop; a call that goes to
// one has the number of its nearest foreign hop or a new one. While it waits,
// whatever comes back under that number belongs to its chain.
//
// Hosts count their own numbers from 1, so those of two hosts may be the same.
// The worst that comes of it is that a turn runs nested which could have waited.

// foreignType is no name of an actor type.
const foreignType = "(koala)"

func foreignHop(reentrant int64) activation.Hop {
	return activation.Hop{ID: mallee.ID{Type: foreignType, Key: strconv.FormatInt(reentrant, 10)}, Turn: uint64(reentrant)}
}

func isForeign(hop activation.Hop) bool { return hop.ID.Type == foreignType }

// maxHops bounds the chain of a call that comes back; see activation's own bound.
const maxHops = 192

// waitingChain is a call chain that waits for a host.
type waitingChain struct {
	reentrant int64
	hops      []activation.Hop
}

// koalaIDs makes ids for requests and chains, and knows the chains that wait.
type koalaIDs struct {
	base int64 // request id of call 0

	mu      sync.Mutex
	oneway  int64
	waiting map[int64][]*waitingChain
}

func (k *koalaIDs) init(start time.Time) {
	k.base = koala.RequestID(start.Unix(), 0)
	k.waiting = make(map[int64][]*waitingChain)
}

// request is the id of a call. One-way calls have ids below those of all others:
// their answers are nobody's.
func (k *koalaIDs) request(call uint64) int64 {
	if call != 0 {
		return k.base + int64(call)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.oneway++
	return k.base - k.oneway
}

// call is the reverse; 0 is no call.
func (k *koalaIDs) call(request int64) uint64 { return uint64(max(request-k.base, 0)) }

// leave registers the chain of a call that goes to a host.
func (k *koalaIDs) leave(hops []activation.Hop) *waitingChain {
	w := &waitingChain{hops: hops}
	if i := slices.IndexFunc(hops, isForeign); i >= 0 {
		w.reentrant = int64(hops[i].Turn)
	} else {
		w.reentrant = koala.ReentrantID(rand.Uint64())
	}
	if len(hops) > 0 {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.waiting[w.reentrant] = append(k.waiting[w.reentrant], w)
	}
	return w
}

// back ends what leave has begun.
func (k *koalaIDs) back(w *waitingChain) {
	k.mu.Lock()
	defer k.mu.Unlock()
	left := slices.DeleteFunc(k.waiting[w.reentrant], func(other *waitingChain) bool { return other == w })
	if len(left) == 0 {
		delete(k.waiting, w.reentrant)
		return
	}
	k.waiting[w.reentrant] = left
}

// enter is the chain of a call that comes from a host. A number that is not
// positive is nobody's: hosts use 0 for whatever is in no call.
func (k *koalaIDs) enter(reentrant int64) []activation.Hop {
	if reentrant <= 0 {
		return nil
	}
	return k.extend([]activation.Hop{foreignHop(reentrant)})
}

// extend appends the turns of this node that wait for a foreign hop of a chain,
// which another node may have sent.
func (k *koalaIDs) extend(hops []activation.Hop) []activation.Hop {
	i := slices.IndexFunc(hops, isForeign)
	if i < 0 {
		return hops
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	all := slices.Clip(hops)
	for _, w := range slices.Backward(k.waiting[int64(hops[i].Turn)]) { // the latest is the nearest
		for _, hop := range w.hops {
			if len(all) < maxHops && !slices.Contains(all, hop) {
				all = append(all, hop)
			}
		}
	}
	return all
}
