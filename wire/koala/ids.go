package koala

import (
	"fmt"
	"math"
)

// sessionsPerServer is how many session ids each gateway has.
const sessionsPerServer = 10_000_000_000

// SessionID is the n-th session id of a gateway, for n from 1. The server id is
// the one under which the gateway is registered: hosts find the gateway by it.
func SessionID(serverID, n int64) (int64, error) {
	if maxServer := int64(math.MaxInt64/sessionsPerServer - 1); serverID < 1 || serverID > maxServer {
		return 0, fmt.Errorf("a gateway with sessions has a server id of 1 to %d, not %d", maxServer, serverID)
	}
	if n < 1 || n >= sessionsPerServer {
		return 0, fmt.Errorf("session %d of a gateway: they are numbered from 1 to %d", n, int64(sessionsPerServer-1))
	}
	return serverID*sessionsPerServer + n, nil
}

// SessionServer is the server id of a session's gateway, or 0 where the id names
// none: a gateway gave it out before it was registered.
func SessionServer(sessionID int64) int64 {
	return max(sessionID, 0) / sessionsPerServer
}

// RequestID is the n-th request id, for n from 1, of a process that was started
// at a Unix time in seconds. It is unique within the process. It is positive for
// all n for starts between 2021 and 2300, and beyond 2^53 for all processes of
// today.
func RequestID(startSeconds, n int64) int64 {
	const epoch, perSecond = 1_626_245_658, 1_000_000_000
	return (startSeconds-epoch)*perSecond + n
}

// ReentrantID makes an id for a chain of calls of 64 random bits. A host runs a
// call at once when its id is that of the call it serves, so ids must differ
// between all hosts. Python hosts count from 0: to stay apart from them, and
// positive, ids have their 63rd bit set.
func ReentrantID(random uint64) int64 {
	return int64(random>>2 | 1<<62)
}
