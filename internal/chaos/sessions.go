package chaos

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/mallee-io/mallee/internal/chaos/crowd"
)

// Sessions is what clients have found in their sessions. What must be 0 is told
// by Clean.
type Sessions struct {
	Clients int `json:"clients"`
	Said    int `json:"said"`
	Heard   int `json:"heard"`

	// What clients were told to be lost.
	Lost   int `json:"lost"`   // messages for clients, as far as their number is known
	Epochs int `json:"epochs"` // times that the number is not known
	Unsure int `json:"unsure"` // messages of clients, of which many were seen
	Cuts   int `json:"cuts"`   // connections that clients have lost

	Missing      int `json:"missing"`        // messages for clients, of which nobody told
	Repeated     int `json:"repeated"`       // messages in either direction that came again, or too late
	Unseen       int `json:"unseen"`         // messages of clients that no actor has seen, though nobody told
	Stalled      int `json:"stalled"`        // clients that do not get through to their actors any more
	CutByOthers  int `json:"cut_by_others"`  // connections that were lost though nothing was wrong with a gateway
	LostInDrains int `json:"lost_in_drains"` // times that clients were told of losses while something was drained

	Away Spread `json:"away_ms"` // from the loss of a connection to the next one
}

// Clean reports whether the gateways have kept their promises.
func (s *Sessions) Clean() bool {
	return s.Missing+s.Repeated+s.Unseen+s.Stalled+s.CutByOthers+s.LostInDrains == 0
}

// cutGrace is how long after a fault of a gateway its clients may be cut off.
const cutGrace = time.Second

// checkSessions judges what clients have said and were told.
func (v *Verdict) checkSessions(h *History) {
	clients := make(map[int]*listener)
	var numbers []int
	for i := range h.Words {
		w := &h.Words[i]
		l := clients[w.Client]
		if l == nil {
			l = &listener{verdict: v, history: h, client: w.Client, lines: make(map[string]int64), seen: make(map[int64]bool)}
			clients[w.Client] = l
			numbers = append(numbers, w.Client)
		}
		l.hear(w)
	}
	heard := h.heardByPeers()
	slices.Sort(numbers)
	for _, n := range numbers {
		l := clients[n]
		l.checkTurns(heard[strconv.Itoa(n)])
		l.checkEnd()
		v.Sessions.Clients++
	}
	v.Sessions.Away = spread(v.away)
}

// heardByPeers are the turns of peers by their keys, in their order.
func (h *History) heardByPeers() map[string][]Turn {
	peers := make(map[string][]Turn)
	for _, t := range h.Turns {
		if t.Actor.Type == peerType {
			peers[t.Actor.Key] = append(peers[t.Actor.Key], t)
		}
	}
	for _, turns := range peers {
		slices.SortFunc(turns, func(a, b Turn) int { return cmp.Compare(a.Begin, b.Begin) })
	}
	return peers
}

// listener is what is known of a client at a word.
type listener struct {
	verdict *Verdict
	history *History
	client  int

	lines   map[string]int64 // what came last of each, in this epoch
	told    int64            // missing messages that the client knows of and that are not found yet
	said    []int64
	echoed  int64
	unsure  int64
	cut     Time // when the connection was lost; 0: there is one
	settled bool
	ended   string         // why the session has
	seen    map[int64]bool // by the actor
}

func (l *listener) find(count *int, format string, args ...any) {
	l.verdict.find(count, "client %d: "+format, append([]any{l.client}, args...)...)
}

func (l *listener) hear(w *Word) {
	s := &l.verdict.Sessions
	switch {
	case w.Said > 0:
		s.Said++
		l.said = append(l.said, w.Said)
	case w.Note != nil:
		s.Heard++
		l.echoed = max(l.echoed, w.Note.Op)
		l.hearNote(w.Note)
	case w.Lost != nil:
		l.hearLoss(w)
	case w.Opened != "":
		if l.cut > 0 {
			l.verdict.away = append(l.verdict.away, w.At.since(l.cut))
		}
		l.cut = 0
	case w.Cut != nil && !l.settled: // afterwards it is the client that leaves
		s.Cuts++
		l.cut = w.At
		if !l.history.during(w.At, cutGrace, Kind.cutsClients) {
			l.find(&s.CutByOthers, "cut off (%s) at %d, though nothing was wrong with a gateway", w.Cut, w.At)
		}
	case w.Settled:
		l.settled = true
	case w.Ended != "":
		l.ended = w.Ended
	}
}

// hearNote looks whether it is the next one of its line.
func (l *listener) hearNote(n *crowd.Note) {
	s := &l.verdict.Sessions
	last, known := l.lines[n.Line]
	switch {
	case known && (n.N < last || n.N == last && !n.Beginning):
		l.find(&s.Repeated, "note %d of %s came after note %d", n.N, n.Line, last)
		return
	case known && !n.Beginning && n.Sure > last:
		missing := n.Sure - last
		if missing > l.told {
			l.find(&s.Missing, "%d notes before note %d of %s have not come, after note %d; it knows of %d", missing, n.N, n.Line, last, l.told)
		}
		l.told -= min(missing, l.told)
	}
	l.lines[n.Line] = n.N
}

func (l *listener) hearLoss(w *Word) {
	s := &l.verdict.Sessions
	s.Lost += int(w.Lost.Count)
	s.Unsure += int(w.Lost.Sent)
	l.unsure += int64(w.Lost.Sent)
	l.told += int64(w.Lost.Count)
	if w.Lost.Unknown {
		s.Epochs++
		l.told = 0
		clear(l.lines)
	}
	if l.history.during(w.At, 0, Kind.drains) {
		l.find(&s.LostInDrains, "at %d, in a drain, it was told: %v", w.At, w.Lost)
	}
}

// during reports whether a fault of some kind was there, or had just been.
func (h *History) during(at Time, grace time.Duration, kind func(Kind) bool) bool {
	return slices.ContainsFunc(h.Faults, func(f Injected) bool {
		return kind(f.Kind) && f.From <= at && at <= f.To+Time(grace)
	})
}

// checkTurns looks at what the actor has seen of the client.
func (l *listener) checkTurns(turns []Turn) {
	s := &l.verdict.Sessions
	last := int64(0)
	for _, t := range turns {
		if t.Op <= last {
			l.find(&s.Repeated, "its actor has seen message %d after message %d, on %s", t.Op, last, t.Process)
		}
		last = max(last, t.Op)
		l.seen[t.Op] = true
	}
	var unseen []int64
	for _, op := range l.said {
		if !l.seen[op] && op <= l.echoed { // what came later may be on its way
			unseen = append(unseen, op)
		}
	}
	if int64(len(unseen)) > l.unsure {
		l.find(&s.Unseen, "its actor has not seen messages %v; the client knows of %d", unseen, l.unsure)
	}
}

// checkEnd looks whether the client has got through at last.
func (l *listener) checkEnd() {
	if !l.settled {
		l.find(&l.verdict.Sessions.Stalled, "its actor did not answer within %v, though the cluster is whole again; %s", settleWithin, l.ended)
	}
}
