package arena

import (
	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/crdt"
)

// online is who flies in any field. Fields write it and pilots read it, each on its
// own node, so no actor is asked by everybody.
type online = mallee.Replicated[crdt.ORSet[flight]]

// flight is a pilot in a field.
type flight struct{ Field, Pilot string }

func newOnline(self *mallee.Self) *online {
	return mallee.NewReplicated[crdt.ORSet[flight]](self, mallee.ID{Type: "Online", Key: world})
}

// flights are those in this field of pilots.
func (f *field) flights(pilots ...string) []flight {
	flights := make([]flight, len(pilots))
	for i, pilot := range pilots {
		flights[i] = flight{f.self.Key(), pilot}
	}
	return flights
}
