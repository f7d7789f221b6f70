package replicated_test

import (
	"testing"

	"github.com/mallee-io/mallee/crdt"
)

// The sequences that the protocol's description has as examples.
func TestVoteWithMonitorAndConnection(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.cluster.meet(1)
		monitor := w.watch("monitor")
		w.hears("init(test.Entity it)", "command(1 Watch monitor streamed)")
		w.says(answer{id: 1, text: "0/1", streamed: true}.reply())
		w.got(monitor, "0/1")
		connection := w.watch("connect")
		w.hears("command(2 Watch connect streamed)")
		w.says(answer{id: 2, update: vote(true), streamed: true}.reply(), answer{id: 1, text: "1/1"}.message())
		w.got(connection, "nothing")
		w.got(monitor, "1/1")
		connection.leave()
		w.got(connection, "left")
		w.hears("cancelled(2)")
		w.says(answer{id: 2, update: vote(false)}.response(), answer{id: 1, text: "0/1"}.message())
		w.got(connection, "nothing", "end")
		w.got(monitor, "0/1")
		monitor.leave()
		w.hears("cancelled(1)")
		w.says(answer{id: 1}.response())
		w.got(monitor, "left", "nothing", "end")
		w.hears()
		w.reported()
	})
}

func TestChangeFromElsewhere(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		first := w.do("a")
		w.hears("init(test.Entity it)", "command(1 Do a)")
		w.elsewhere(&crdt.Delta{Kind: crdt.KindGCounter, Increment: 5})
		w.hears()
		w.says(answer{id: 1, text: "3", update: gcounter(3)}.reply())
		w.got(first, "3", "end")
		w.hears("gcounter(5)")
		w.elsewhere(&crdt.Delta{Kind: crdt.KindGCounter, Increment: 1})
		w.hears("gcounter(1)")
		w.has(9)
	})
}
