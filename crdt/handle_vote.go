package crdt

// Vote is a Handle of a vote of the nodes: each has one, and it counts as long as the
// node is a member of the cluster. Nodes that have not voted are against.
type Vote struct{ replica Replica }

// On is the handle of a replica.
func (Vote) On(r Replica) Vote { return Vote{r} }

// Tally is how a vote stands, as one node knows it.
type Tally struct {
	Self   bool // how this node votes
	For    int  // how many members vote for
	Voters int  // how many members there are
}

// Vote says how this node votes from now on.
func (v Vote) Vote(inFavor bool) error {
	return v.replica.Change(&Delta{Kind: KindVote, Self: inFavor})
}

// Tally counts the votes.
func (v Vote) Tally() (Tally, error) {
	return read(v.replica, KindVote, func(v *Value, e Electorate) (t Tally) {
		t.Self, t.For, t.Voters = v.Votes(e)
		return t
	})
}
