package activation

import (
	"slices"

	"github.com/mallee-io/mallee"
)

// attached are the sessions of an actor. Most have one, and some have thousands.
type attached struct {
	list  []mallee.Session
	index map[uint64]int // of list by ID; nil while it is short
}

// manySessions is from when on a search goes by index.
const manySessions = 16

// at is the place of a session in the list, or -1.
func (s *attached) at(id uint64) int {
	if s == nil {
		return -1
	}
	if s.index != nil {
		if i, ok := s.index[id]; ok {
			return i
		}
		return -1
	}
	return slices.IndexFunc(s.list, func(other mallee.Session) bool { return other.ID == id })
}

// put adds a session, or tells where it has been until now.
func (s *attached) put(fresh mallee.Session) (earlier mallee.Session, again bool) {
	if i := s.at(fresh.ID); i >= 0 {
		earlier, s.list[i] = s.list[i], fresh
		return earlier, true
	}
	s.list = append(s.list, fresh)
	switch {
	case s.index != nil:
		s.index[fresh.ID] = len(s.list) - 1
	case len(s.list) > manySessions:
		s.index = make(map[uint64]int, 2*len(s.list))
		for i := range s.list {
			s.index[s.list[i].ID] = i
		}
	}
	return mallee.Session{}, false
}

// remove takes the session at a place of the list out.
func (s *attached) remove(i int) {
	last := len(s.list) - 1
	if s.index != nil {
		delete(s.index, s.list[i].ID)
		if i < last {
			s.index[s.list[last].ID] = i
		}
	}
	s.list[i], s.list[last] = s.list[last], mallee.Session{}
	s.list = s.list[:last]
}

// where lists some of the sessions.
func (s *attached) where(is func(mallee.Session) bool) (some []mallee.Session) {
	if s == nil {
		return nil
	}
	for _, one := range s.list {
		if is(one) {
			some = append(some, one)
		}
	}
	return some
}

// places are where the sessions are, in ascending order.
func places(list []mallee.Session) []uint64 {
	at := make([]uint64, len(list))
	for i := range list {
		at[i] = list[i].At
	}
	slices.Sort(at)
	return slices.Compact(at)
}
