package crowd

import (
	"context"
	"hash/fnv"
	"slices"
	"strconv"

	"github.com/mallee-io/mallee"
)

// halls is how many there are.
const halls = 4

// Hall sends notes to all sessions in it at once.
//
//mallee:actor
type Hall interface {
	// Enter brings in a session, which may be there already.
	Enter(ctx context.Context, s mallee.Session) error
	Leave(ctx context.Context, s mallee.Session) error
}

type hall struct {
	self  *mallee.Self
	group *mallee.Group
	line  line
}

func newHall(self *mallee.Self) Hall {
	h := &hall{self: self, group: mallee.NewGroup(self), line: newLine(self)}
	self.Every(sendEvery, h.tick)
	return h
}

// hallOf is where a peer goes.
func hallOf(caller mallee.Caller, peer string) HallRef {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(peer)) // never fails
	return HallOf(caller, strconv.Itoa(int(hash.Sum32()%halls)))
}

func (h *hall) Enter(ctx context.Context, s mallee.Session) error {
	there := slices.ContainsFunc(h.group.Sessions(), func(o mallee.Session) bool { return o.ID == s.ID })
	if !there {
		if err := h.self.Send(ctx, h.line.beginning(), s); err != nil {
			return err
		}
	}
	h.group.Join(s)
	return nil
}

func (h *hall) Leave(_ context.Context, s mallee.Session) error {
	h.group.Leave(s)
	return nil
}

func (h *hall) tick(ctx context.Context) {
	if h.group.Len() == 0 {
		return
	}
	if err := h.line.send(ctx, 0, h.group.Send); err != nil {
		h.self.Log().Warn("a note was not sent to all", "error", err)
	}
}
