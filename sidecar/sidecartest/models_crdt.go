package sidecartest

import (
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/crdtpb"
	"github.com/mallee-io/mallee/internal/gen/tckpb/tckcrdt"
)

// crTalk is a stream of CrdtTckModel. It counts the commands.
type crTalk struct {
	*talk
	n int64
}

// crdt opens one; nil: there is no value yet.
func (s *subject) crdt(delta *crdtpb.CrdtDelta) *crTalk {
	s.Helper()
	return &crTalk{talk: s.talk(CRDT).send(crInit(crdtModel, s.id, delta))}
}

func (d *crTalk) process(actions ...*tckcrdt.RequestAction) *crTalk {
	d.Helper()
	d.n++
	d.send(crCommand(d.n, d.id, "Process", crRequest(d.id, actions...)))
	return d
}

func (d *crTalk) processStreamed(req *tckcrdt.StreamedRequest) *crTalk {
	d.Helper()
	d.n++
	req.Id = d.id
	d.send(crStreamed(d.n, d.id, req))
	return d
}

// gets expects a reply, and what has changed; nil: nothing.
func (d *crTalk) gets(o outcome, change *crdtpb.CrdtDelta) *crTalk {
	d.Helper()
	return d.getsWith(crReply(d.n, o, crChange(change)))
}

func (d *crTalk) getsWith(out ...proto.Message) *crTalk { d.Helper(); d.expect(out...); return d }

// updates is a command that changes the value.
func (d *crTalk) updates(state *tckcrdt.State, change *crdtpb.CrdtDelta, updates ...*tckcrdt.Update) *crTalk {
	d.Helper()
	return d.process(crUp(updates...)...).gets(crSays(state), change)
}

// is checks the value with a command that does not change it.
func (d *crTalk) is(state *tckcrdt.State) *crTalk { d.Helper(); return d.updates(state, nil) }

// follow does the steps.
func (d *crTalk) follow(steps []crStep) *crTalk {
	d.Helper()
	for _, s := range steps {
		if s.remote != nil {
			d.send(crDelta(s.remote))
		}
		d.updates(s.state, s.change, s.updates...)
	}
	return d
}

// passivate ends it as a sidecar does with an entity that nobody needs. The
// library that speaks protocol 0.1 leaves its own side open.
func (d *crTalk) passivate() {
	d.Helper()
	d.complete()
	if d.old == nil {
		d.end()
	}
}

// crStep is a command, and what comes from other nodes before it.
type crStep struct {
	remote  *crdtpb.CrdtDelta // nil: nothing
	updates []*tckcrdt.Update
	state   *tckcrdt.State
	change  *crdtpb.CrdtDelta // nil: nothing
}

func crOwn(state *tckcrdt.State, change *crdtpb.CrdtDelta, updates ...*tckcrdt.Update) crStep {
	return crStep{nil, updates, state, change}
}

func crRemote(remote *crdtpb.CrdtDelta, state *tckcrdt.State) crStep {
	return crStep{remote, nil, state, nil}
}

// crStart is a value as it is when a stream begins.
type crStart struct {
	delta *crdtpb.CrdtDelta
	state *tckcrdt.State
}

// crType is a type of values, with what its checks say.
type crType struct {
	name      string
	numbers   []int // of the checks, in the order of crType.models
	empty     crStart
	changes   []crStep
	starts    []crStart
	mixed     [][]crStep // own and remote changes
	passivate []crStep   // on a new stream, which begins with starts[0]
}

// models are the checks that there are of each type.
func (c crType) models() (models []model) {
	checks := []func(*subject){
		func(s *subject) { s.crdt(nil).updates(c.empty.state, c.empty.delta).passivate() },
		func(s *subject) { s.crdt(nil).follow(c.changes).passivate() },
		func(s *subject) {
			for _, start := range c.starts {
				s.crdt(start.delta).is(start.state).passivate()
			}
		},
		func(s *subject) {
			for _, start := range c.starts {
				d := s.crdt(nil)
				d.send(crDelta(start.delta))
				d.is(start.state).passivate()
			}
		},
		func(s *subject) {
			for _, steps := range c.mixed {
				s.crdt(nil).follow(steps).passivate()
			}
		},
		func(s *subject) {
			s.crdt(nil).follow(c.changes).passivate()
			s.crdt(c.starts[0].delta).is(c.starts[0].state).follow(c.passivate).passivate()
		},
		func(s *subject) {
			d := s.crdt(c.starts[0].delta).process(crDelete())
			d.getsWith(crReply(d.n, crSays(c.starts[0].state), crDeletes(crdtpb.CrdtWriteConsistency_LOCAL))).passivate()
		},
		func(s *subject) {
			d := s.crdt(c.starts[0].delta).is(c.starts[0].state)
			d.send(crDeleted())
			d.passivate()
		},
	}
	for i, check := range checks {
		models = append(models, model{c.numbers[i], []string{crdtModel}, func(s *subject) {
			s.id = c.name + "-" + s.id
			check(s)
		}})
	}
	return models
}

// crdtModels are the checks of replicated entities.
func crdtModels() []model {
	both := []string{crdtModel, crdtTwo}
	models := []model{
		{96, both, func(s *subject) {
			s.isDeclared(typeCRDT, crdtModel, "")
			s.isDeclared(typeCRDT, crdtTwo, "")
		}},
		{97, []string{crdtConfigured}, func(s *subject) {
			s.isDeclared(typeCRDT, crdtConfigured, "")
			s.endsSoon(crdtConfigured)
		}},
	}
	for _, c := range crTypes() {
		models = append(models, c.models()...)
	}
	return slices.Concat(models, registerModels(), crdtActionModels(), crdtStreamModels())
}

// registerModels is the one check that only registers have.
func registerModels() []model {
	return []model{{135, []string{crdtModel}, func(s *subject) {
		s.id = "LWWRegister-" + s.id
		s.crdt(nil).
			updates(lwIs("A"), lwDelta("A"), lwUpAt("A", tckcrdt.LWWRegisterClockType_DEFAULT, 0)).
			updates(lwIs("B"), lwDeltaAt("B", crdtpb.CrdtClock_REVERSE, 0), lwUpAt("B", tckcrdt.LWWRegisterClockType_REVERSE, 0)).
			updates(lwIs("C"), lwDeltaAt("C", crdtpb.CrdtClock_CUSTOM, 123), lwUpAt("C", tckcrdt.LWWRegisterClockType_CUSTOM, 123)).
			updates(lwIs("D"), lwDeltaAt("D", crdtpb.CrdtClock_CUSTOM, -4), lwUpAt("D", tckcrdt.LWWRegisterClockType_CUSTOM, -4)).
			updates(lwIs("E"), lwDeltaAt("E", crdtpb.CrdtClock_CUSTOM_AUTO_INCREMENT, 456), lwUpAt("E", tckcrdt.LWWRegisterClockType_CUSTOM_AUTO_INCREMENT, 456)).
			updates(lwIs("F"), lwDelta("F"), lwUp("F")).
			passivate()
	}}}
}

// counted makes a check of a counter.
func counted(number int, services []string, check func(*subject, *crTalk)) model {
	return model{number, services, func(s *subject) {
		s.id = "GCounter-" + s.id
		d := s.crdt(nil)
		check(s, d)
		d.passivate()
	}}
}

// crdtActionModels are the checks of what a reply may have beside a change.
func crdtActionModels() []model {
	const other = "GCounter-other"
	one, both := []string{crdtModel}, []string{crdtModel, crdtTwo}
	up := crUp(gcUp(1))
	return []model{
		counted(163, both, func(_ *subject, d *crTalk) {
			d.process(up...).gets(crSays(gcIs(1)), gcDelta(1)).
				process(crForward(other)).gets(crForwards(other), nil).
				is(gcIs(1))
		}),
		counted(164, both, func(_ *subject, d *crTalk) {
			d.process(append(crUp(gcUp(1)), crForward(other))...).gets(crForwards(other), gcDelta(1)).is(gcIs(1))
		}),
		counted(165, both, func(_ *subject, d *crTalk) {
			d.process(up...).gets(crSays(gcIs(1)), gcDelta(1)).
				process(crEffect(other, false)).gets(crSays(gcIs(1), crEffects(false, other)...), nil).
				is(gcIs(1))
		}),
		counted(166, both, func(_ *subject, d *crTalk) {
			d.process(crEffect(other, true)).gets(crSays(gcIs(0), crEffects(true, other)...), nil)
		}),
		counted(167, both, func(_ *subject, d *crTalk) {
			d.process(crEffect(other, false), crForward(other)).gets(crForwards(other, crEffects(false, other)...), nil)
		}),
		counted(168, both, func(_ *subject, d *crTalk) {
			d.process(crEffect("GCounter-a", false), crEffect("GCounter-b", false), crEffect("GCounter-c", false)).
				gets(crSays(gcIs(0), crEffects(false, "GCounter-a", "GCounter-b", "GCounter-c")...), nil)
		}),
		counted(169, both, func(_ *subject, d *crTalk) {
			d.process(append(crUp(gcUp(1), gcUp(2)), crEffect("GCounter-a", false), crEffect("GCounter-b", false))...).
				gets(crSays(gcIs(3), crEffects(false, "GCounter-a", "GCounter-b")...), gcDelta(3)).
				process(append(crUp(gcUp(1)), crEffect(other, true))...).
				gets(crSays(gcIs(4), crEffects(true, other)...), gcDelta(1))
		}),
		counted(170, one, func(_ *subject, d *crTalk) { d.process(crFail("no")).gets(fails("no"), nil) }),
		counted(171, one, func(_ *subject, d *crTalk) {
			d.process(up...).gets(crSays(gcIs(1)), gcDelta(1)).
				process(crFail("no")).gets(fails("no"), nil).
				process(up...).gets(crSays(gcIs(2)), gcDelta(1))
		}),
		counted(177, one, func(_ *subject, d *crTalk) {
			for i, c := range []crdtpb.CrdtWriteConsistency{crdtpb.CrdtWriteConsistency_LOCAL, crdtpb.CrdtWriteConsistency_MAJORITY, crdtpb.CrdtWriteConsistency_ALL} {
				u := gcUp(1)
				u.WriteConsistency = tckcrdt.UpdateWriteConsistency(c)
				d.process(crUp(u)...).getsWith(crReply(d.n, crSays(gcIs(uint64(i)+1)), crChanges(gcDelta(1), c)))
			}
		}),
	}
}

// crdtStreamModels are the checks of streamed commands.
func crdtStreamModels() []model {
	one, both := []string{crdtModel}, []string{crdtModel, crdtTwo}
	return []model{
		counted(172, one, func(_ *subject, d *crTalk) {
			d.processStreamed(&tckcrdt.StreamedRequest{}).getsWith(crStreamedReply(1, crSays(gcIs(0)), nil)).
				updates(gcIs(1), gcDelta(1), gcUp(1)).getsWith(crMessage(1, crSays(gcIs(1)))).
				is(gcIs(1)).
				updates(gcIs(3), gcDelta(2), gcUp(2)).getsWith(crMessage(1, crSays(gcIs(3))))
			d.send(crDelta(gcDelta(4)))
			d.getsWith(crMessage(1, crSays(gcIs(7)))).is(gcIs(7))
		}),
		counted(173, one, func(_ *subject, d *crTalk) {
			d.processStreamed(&tckcrdt.StreamedRequest{EndState: gcIs(3)}).getsWith(crStreamedReply(1, crSays(gcIs(0)), nil)).
				updates(gcIs(1), gcDelta(1), gcUp(1)).getsWith(crMessage(1, crSays(gcIs(1)))).
				updates(gcIs(3), gcDelta(2), gcUp(2)).getsWith(crLast(1, crSays(gcIs(3)))).
				updates(gcIs(4), gcDelta(1), gcUp(1)).
				is(gcIs(4))
		}),
		counted(174, one, func(s *subject, d *crTalk) {
			d.processStreamed(&tckcrdt.StreamedRequest{CancelUpdate: gcUp(10)}).getsWith(crStreamedReply(1, crSays(gcIs(0)), nil)).
				updates(gcIs(1), gcDelta(1), gcUp(1)).getsWith(crMessage(1, crSays(gcIs(1))))
			d.send(crCancelled(1, s.id))
			d.getsWith(crCancelResponse(1, crChange(gcDelta(10)))).
				is(gcIs(11)).
				updates(gcIs(12), gcDelta(1), gcUp(1))
		}),
		counted(175, one, func(s *subject, d *crTalk) {
			d.processStreamed(&tckcrdt.StreamedRequest{CancelUpdate: gcUp(10), Empty: true}).getsWith(crStreamedReply(1, outcome{}, nil)).
				updates(gcIs(1), gcDelta(1), gcUp(1))
			d.send(crCancelled(1, s.id))
			d.getsWith(crCancelResponse(1, crChange(gcDelta(10)))).is(gcIs(11))
		}),
		counted(176, both, func(_ *subject, d *crTalk) {
			req := &tckcrdt.StreamedRequest{Effects: []*tckcrdt.Effect{{Id: "GCounter-a"}, {Id: "GCounter-b", Synchronous: true}}}
			effects := slices.Concat(crEffects(false, "GCounter-a"), crEffects(true, "GCounter-b"))
			d.processStreamed(req).getsWith(crStreamedReply(1, crSays(gcIs(0)), nil)).
				updates(gcIs(1), gcDelta(1), gcUp(1)).getsWith(crMessage(1, crSays(gcIs(1), effects...))).
				updates(gcIs(2), gcDelta(1), gcUp(1)).getsWith(crMessage(1, crSays(gcIs(2), effects...)))
		}),
	}
}
