package sidecartest

import (
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/eventsourcedpb"
	"github.com/mallee-io/mallee/internal/gen/tckpb/tckevents"
)

// evTalk is a stream of EventSourcedTckModel. It counts the commands.
type evTalk struct {
	*talk
	n int64
}

func (s *subject) events(init ...proto.Message) *evTalk {
	s.Helper()
	if len(init) == 0 {
		init = append(init, evInit(eventsModel, s.id))
	}
	return &evTalk{talk: s.talk(EventSourced).send(init...)}
}

func (d *evTalk) process(actions ...*tckevents.RequestAction) *evTalk {
	d.Helper()
	d.n++
	d.send(evCommand(d.n, d.id, "Process", evRequest(d.id, actions...)))
	return d
}

func (d *evTalk) gets(o outcome, emitted ...string) *evTalk {
	d.Helper()
	d.expect(evReply(d.n, o, emitted...))
	return d
}

// getsAt expects a snapshot, too.
func (d *evTalk) getsAt(o outcome, snapshot string, emitted ...string) *evTalk {
	d.Helper()
	d.expect(evReplyAt(d.n, o, snapshot, emitted...))
	return d
}

// passivate ends it as a sidecar does with an entity that nobody needs.
func (d *evTalk) passivate() { d.Helper(); d.complete().end() }

// eventsModels are the checks of event sourced entities.
func eventsModels() []model {
	one, both := []string{eventsModel}, []string{eventsModel, eventsTwo}
	return []model{
		{70, both, func(s *subject) {
			s.isDeclared(typeEventSourced, eventsModel, "event-sourced-tck-model")
			s.isDeclared(typeEventSourced, eventsTwo, "")
		}},
		{71, []string{eventsConfigured}, func(s *subject) {
			s.isDeclared(typeEventSourced, eventsConfigured, "event-sourced-configured")
			s.endsSoon(eventsConfigured)
		}},
		{72, one, func(s *subject) { s.events().process().gets(evSays("")).passivate() }},
		{73, one, func(s *subject) {
			s.events().
				process(evEmit("A")...).gets(evSays("A"), "A").
				process().gets(evSays("A")).
				passivate()
		}},
		{74, one, func(s *subject) {
			s.events().
				process(evEmit("A", "B", "C")...).gets(evSays("ABC"), "A", "B", "C").
				process().gets(evSays("ABC")).
				passivate()
		}},
		{75, one, checkSnapshots},
		{76, one, func(s *subject) {
			s.events(evInitAt(eventsModel, s.id, 5, "ABCDE")).
				process().gets(evSays("ABCDE")).
				passivate()
		}},
		{77, one, func(s *subject) {
			s.events(evInitAt(eventsModel, s.id, 5, "ABCDE"), evEvent(6, "F"), evEvent(7, "G")).
				process().gets(evSays("ABCDEFG")).
				passivate()
		}},
		{78, one, func(s *subject) {
			s.events().
				process(evEmit("A", "B", "C")...).gets(evSays("ABC"), "A", "B", "C").
				process(evEmit("D", "E")...).getsAt(evSays("ABCDE"), "ABCDE", "D", "E").
				process(evEmit("F")...).gets(evSays("ABCDEF"), "F").
				passivate()
			s.events(evInitAt(eventsModel, s.id, 5, "ABCDE"), evEvent(6, "F")).
				process(evEmit("G")...).gets(evSays("ABCDEFG"), "G").
				passivate()
		}},
		{79, both, func(s *subject) {
			s.events().
				process(evEmit("A")...).gets(evSays("A"), "A").
				process(evForward("other")).gets(evForwards("other")).
				process().gets(evSays("A")).
				passivate()
		}},
		{80, both, func(s *subject) {
			s.events().
				process(append(evEmit("A"), evForward("other"))...).gets(evForwards("other"), "A").
				process().gets(evSays("A")).
				passivate()
		}},
		{81, both, func(s *subject) {
			s.events().
				process(evEmit("A", "B", "C")...).gets(evSays("ABC"), "A", "B", "C").
				process(append(evEmit("D", "E"), evForward("other"))...).getsAt(evForwards("other"), "ABCDE", "D", "E").
				passivate()
		}},
		{82, both, func(s *subject) {
			s.events().
				process(evEmit("A")...).gets(evSays("A"), "A").
				process(evEffect("other", false)).gets(evSays("A", evEffects(false, "other")...)).
				process().gets(evSays("A")).
				passivate()
		}},
		{83, one, func(s *subject) {
			s.events().process(evEffect("other", true)).gets(evSays("", evEffects(true, "other")...)).passivate()
		}},
		{84, both, func(s *subject) {
			s.events().
				process(evEffect("a", false), evForward("b")).gets(evForwards("b", evEffects(false, "a")...)).
				passivate()
		}},
		{85, one, func(s *subject) {
			s.events().
				process(evEffect("a", false), evEffect("b", false), evEffect("c", false)).gets(evSays("", evEffects(false, "a", "b", "c")...)).
				passivate()
		}},
		{86, one, func(s *subject) {
			s.events().
				process(append(evEmit("A", "B", "C", "D", "E"), evEffect("a", false), evEffect("b", false))...).
				getsAt(evSays("ABCDE", evEffects(false, "a", "b")...), "ABCDE", "A", "B", "C", "D", "E").
				passivate()
		}},
		{87, one, func(s *subject) { s.events().process(evFail("no")).gets(fails("no")).passivate() }},
		{88, one, func(s *subject) {
			s.events().
				process(evEmit("A")...).gets(evSays("A"), "A").
				process(evFail("no")).gets(fails("no")).
				process().gets(evSays("A")).
				passivate()
		}},
		{89, one, checkEventsOfFailures},
		{90, one, func(s *subject) {
			s.events().process(evEffect("other", false), evFail("no")).gets(fails("no")).passivate()
		}},
	}
}

func checkSnapshots(s *subject) {
	d := s.events()
	for i, text := range []string{"A", "B", "C", "D"} {
		d.process(evEmit(text)...).gets(evSays("ABCD"[:i+1]), text)
	}
	d.process(evEmit("E")...).getsAt(evSays("ABCDE"), "ABCDE", "E").
		process(evEmit("F", "G", "H")...).gets(evSays("ABCDEFGH"), "F", "G", "H").
		process(evEmit("I", "J", "K")...).getsAt(evSays("ABCDEFGHIJK"), "ABCDEFGHIJK", "I", "J", "K").
		process(evEmit("L")...).gets(evSays("ABCDEFGHIJKL"), "L").
		process().gets(evSays("ABCDEFGHIJKL")).
		passivate()
}

// checkEventsOfFailures emits events and fails, in each round, and follows what
// the user function wants then: a new stream, or the same one.
func checkEventsOfFailures(s *subject) {
	d := s.events()
	var kept []string
	for _, text := range []string{"A", "B", "C", "D", "E"} {
		all := append(slices.Clone(kept), text)
		d.process(evEmit(text)...)
		if state := join(all); len(all) == snapshotEvery {
			d.getsAt(evSays(state), state, text)
		} else {
			d.gets(evSays(state), text)
		}
		kept = all
		d = d.emitAndFail(kept)
	}
	d.process().gets(evSays(join(kept))).passivate()
}

// emitAndFail answers with the stream to go on with.
func (d *evTalk) emitAndFail(kept []string) *evTalk {
	d.Helper()
	d.process(append(evEmit("x", "y"), evFail("no"))...)
	reply := d.receive().(*eventsourcedpb.EventSourcedStreamOut).GetReply()
	f := reply.GetClientAction().GetFailure()
	if f.GetCommandId() != d.n || f.GetDescription() != "no" || len(reply.GetEvents()) > 0 || reply.GetSnapshot() != nil {
		d.Fatalf("the failure is %s", short(reply))
	}
	if !f.GetRestart() {
		return d
	}
	d.passivate()
	history := []proto.Message{evInit(eventsModel, d.id)}
	for i, text := range kept {
		history = append(history, evEvent(int64(i)+1, text))
	}
	return d.subject.events(history...)
}
