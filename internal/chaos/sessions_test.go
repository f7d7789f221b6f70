package chaos_test

import (
	"testing"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/chaos"
	"github.com/mallee-io/mallee/internal/chaos/crowd"
	"github.com/mallee-io/mallee/wire/edge"
)

func said(op int64) chaos.Word { return chaos.Word{Said: op} }

func note(line string, n, sure int64) chaos.Word {
	return chaos.Word{Note: &crowd.Note{Line: line, N: n, Sure: sure}}
}

func answer(n, op int64) chaos.Word {
	return chaos.Word{Note: &crowd.Note{Line: "p", N: n, Sure: n - 1, Op: op}}
}

func lost(l edge.Loss) chaos.Word { return chaos.Word{Lost: &l} }

// What one client sees, in a history where its actor has seen the messages and a
// gateway was killed from 100 to 200, and a node drained from 300 to 400.
func TestSessions(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		words []chaos.Word
		seen  []int64
		want  chaos.Sessions // without what is not judged
	}{
		{"all is well", []chaos.Word{said(1), note("p", 1, 0), answer(2, 1), note("h", 7, 6), note("p", 3, 2), note("h", 8, 7)}, []int64{1}, chaos.Sessions{}},
		{"a gap", []chaos.Word{note("p", 1, 0), note("p", 3, 2)}, nil, chaos.Sessions{Missing: 1}},
		{"a gap that the sender was told of", []chaos.Word{note("p", 1, 0), note("p", 3, 1)}, nil, chaos.Sessions{}},
		{"a gap that the client was told of", []chaos.Word{note("p", 1, 0), lost(edge.Loss{Count: 1}), note("p", 3, 2)}, nil, chaos.Sessions{}},
		{"more than it was told of", []chaos.Word{note("p", 1, 0), lost(edge.Loss{Count: 1}), note("p", 4, 3)}, nil, chaos.Sessions{Missing: 1}},
		{"a new epoch", []chaos.Word{note("p", 1, 0), lost(edge.Loss{Unknown: true}), note("p", 9, 8)}, nil, chaos.Sessions{}},
		{"it comes again", []chaos.Word{note("p", 1, 0), note("p", 1, 0)}, nil, chaos.Sessions{Repeated: 1}},
		{"it comes late", []chaos.Word{note("p", 1, 0), note("p", 3, 1), note("p", 2, 1)}, nil, chaos.Sessions{Repeated: 1}},
		{"not seen", []chaos.Word{said(1), said(2), answer(1, 2)}, []int64{2}, chaos.Sessions{Unseen: 1}},
		{"not seen, and told", []chaos.Word{said(1), said(2), lost(edge.Loss{Sent: 1}), answer(1, 2)}, []int64{2}, chaos.Sessions{}},
		{"seen twice", []chaos.Word{said(1), answer(1, 1)}, []int64{1, 1}, chaos.Sessions{Repeated: 1}},
		{"seen in another order", []chaos.Word{said(1), said(2), answer(1, 2)}, []int64{2, 1}, chaos.Sessions{Repeated: 1}},
		{"cut off with its gateway", []chaos.Word{{At: 150, Cut: &edge.Closed{}}, {At: 160, Opened: "1"}}, nil, chaos.Sessions{}},
		{"cut off with a node", []chaos.Word{{At: 1 << 40, Cut: &edge.Closed{}}}, nil, chaos.Sessions{CutByOthers: 1}},
		{"a loss in a drain", []chaos.Word{{At: 350, Lost: &edge.Loss{Count: 1}}}, nil, chaos.Sessions{LostInDrains: 1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := &chaos.History{
				Words: append(test.words, chaos.Word{Settled: true}),
				Faults: []chaos.Injected{
					{Fault: chaos.Fault{Kind: chaos.KillGateway}, From: 100, To: 200},
					{Fault: chaos.Fault{Kind: chaos.RollNode}, From: 300, To: 400},
				},
			}
			for i, op := range test.seen {
				at := chaos.Time(10 * i)
				h.Turns = append(h.Turns, chaos.Turn{Process: "node1.1", Actor: mallee.ID{Type: "Peer", Key: "0"}, Epoch: 1, Op: op, Begin: at, End: at + 5})
			}
			v, err := chaos.Check(h)
			if err != nil {
				t.Fatal(err)
			}
			got := v.Sessions
			if got.Clean() != test.want.Clean() || got.Missing != test.want.Missing || got.Repeated != test.want.Repeated || got.Unseen != test.want.Unseen ||
				got.CutByOthers != test.want.CutByOthers || got.LostInDrains != test.want.LostInDrains {
				t.Errorf("%+v: %q", got, v.Findings)
			}
		})
	}
}

func TestSessionsThatStall(t *testing.T) {
	t.Parallel()
	v, err := chaos.Check(&chaos.History{Words: []chaos.Word{said(1), {Ended: "closed"}}})
	if err != nil || v.Sessions.Stalled != 1 {
		t.Errorf("%+v, %v", v.Sessions, err)
	}
}
