package replicas

import (
	"context"
	"slices"
	"time"

	"github.com/mallee-io/mallee/internal/replicas/gossip"
	"github.com/mallee-io/mallee/placement"
)

// membersEvery is how often the cluster is listed. What this node hears of a member,
// or of its end, makes it look at once.
const membersEvery = time.Second

// watch keeps an eye on the members.
func (s *Service) watch() {
	ticker := time.NewTicker(membersEvery)
	defer ticker.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-ticker.C:
		case <-s.look:
		}
		ctx, cancel := context.WithTimeout(s.ctx, s.config.CallTimeout)
		if err := s.poll(ctx); err != nil {
			s.config.Log.Debug("the members of the cluster are not known, those from before stay", "error", err)
		}
		cancel()
	}
}

// poll learns which nodes have copies: this one, those that can have the keeper, and
// those that have sent something, to it or to another one.
func (s *Service) poll(ctx context.Context) error {
	members, err := s.config.Members(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	own := gossip.Peer(s.config.Self())
	speaks := make(map[gossip.Peer]bool, len(s.speaks))
	s.live = s.live[:0]
	for i := range members {
		m := &members[i]
		at := gossip.Peer(m.ID)
		if s.speaks[at] {
			speaks[at] = true
		}
		if _, keeps := m.Hosts(keeperID.Type); at == own || !m.Foreign && (keeps || speaks[at]) {
			s.live = append(s.live, at)
		}
	}
	s.speaks = speaks
	s.changedMembers()
	return nil
}

// heard takes note of a node that has copies; whether it is a member is to be seen.
// mu is held.
func (s *Service) heard(at gossip.Peer) {
	if !s.speaks[at] {
		s.speaks[at] = true
		hint(s.look)
	}
}

// Lost says that a node is no member any more.
func (s *Service) Lost(id placement.NodeID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.speaks, gossip.Peer(id))
	s.live = slices.DeleteFunc(s.live, func(p gossip.Peer) bool { return p == gossip.Peer(id) })
	s.changedMembers()
	hint(s.look)
}

// changedMembers needs mu.
func (s *Service) changedMembers() {
	if s.life != nil {
		s.life.machine.Members(s.now(), s.live)
		hint(s.kick)
	}
}
