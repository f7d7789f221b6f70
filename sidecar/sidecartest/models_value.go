package sidecartest

import (
	"google.golang.org/protobuf/proto"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/valueentitypb"
	"github.com/mallee-io/mallee/internal/gen/tckpb/tckvalue"
)

// vaTalk is a stream of ValueEntityTckModel. It counts the commands.
type vaTalk struct {
	*talk
	n int64
}

func (s *subject) values(init ...proto.Message) *vaTalk {
	s.Helper()
	if len(init) == 0 {
		init = append(init, vaInit(valueModel, s.id))
	}
	return &vaTalk{talk: s.talk(ValueEntity).send(init...)}
}

func (d *vaTalk) process(actions ...*tckvalue.RequestAction) *vaTalk {
	d.Helper()
	d.n++
	d.send(vaCommand(d.n, d.id, "Process", vaRequest(d.id, actions...)))
	return d
}

// gets expects a reply that leaves the state as it is.
func (d *vaTalk) gets(o outcome) *vaTalk { d.Helper(); return d.getsWith(o, nil) }

func (d *vaTalk) getsWith(o outcome, action *valueentitypb.ValueEntityAction) *vaTalk {
	d.Helper()
	d.expect(vaReply(d.n, o, action))
	return d
}

func (d *vaTalk) passivate() { d.Helper(); d.complete().end() }

// valueModels are the checks of value entities.
func valueModels() []model {
	one, both := []string{valueModel}, []string{valueModel, valueTwo}
	return []model{
		{46, both, func(s *subject) {
			s.isDeclared(typeValueEntity, valueModel, "value-entity-tck-model")
			s.isDeclared(typeValueEntity, valueTwo, "value-entity-tck-model-two")
		}},
		{47, []string{valueConfigured}, func(s *subject) {
			s.isDeclared(typeValueEntity, valueConfigured, "value-entity-configured")
			s.endsSoon(valueConfigured)
		}},
		{48, one, func(s *subject) { s.values().process().gets(vaSays("")).passivate() }},
		{49, one, func(s *subject) {
			s.values().
				process(vaUpdate("A")).getsWith(vaSays("A"), updated("A")).
				process().gets(vaSays("A")).
				passivate()
		}},
		{50, one, func(s *subject) {
			s.values().
				process(vaUpdate("A")).getsWith(vaSays("A"), updated("A")).
				process(vaDelete()).getsWith(vaSays(""), deleted()).
				process().gets(vaSays("")).
				passivate()
		}},
		{51, one, func(s *subject) {
			s.values().
				process(vaUpdate("A"), vaUpdate("B"), vaUpdate("C")).getsWith(vaSays("C"), updated("C")).
				process().gets(vaSays("C")).
				passivate()
		}},
		{52, one, func(s *subject) {
			s.values().
				process(vaUpdate("A"), vaUpdate("B"), vaDelete()).getsWith(vaSays(""), deleted()).
				process().gets(vaSays("")).
				passivate()
		}},
		{53, one, func(s *subject) {
			s.values().
				process(vaUpdate("A"), vaDelete(), vaUpdate("B")).getsWith(vaSays("B"), updated("B")).
				process().gets(vaSays("B")).
				passivate()
		}},
		{54, one, func(s *subject) {
			s.values().
				process(vaUpdate("A")).getsWith(vaSays("A"), updated("A")).
				process(vaUpdate("B")).getsWith(vaSays("B"), updated("B")).
				passivate()
			s.values(vaInitAt(valueModel, s.id, "B")).
				process().gets(vaSays("B")).
				process(vaUpdate("C")).getsWith(vaSays("C"), updated("C")).
				passivate()
		}},
		{55, one, func(s *subject) {
			s.values().
				process(vaEffect("a", false), vaEffect("b", false), vaEffect("c", false)).gets(vaSays("", vaEffects(false, "a", "b", "c")...)).
				passivate()
		}},
		{56, both, func(s *subject) {
			s.values().
				process(vaUpdate("A")).getsWith(vaSays("A"), updated("A")).
				process(vaEffect("other", false)).gets(vaSays("A", vaEffects(false, "other")...)).
				process().gets(vaSays("A")).
				passivate()
		}},
		{57, one, func(s *subject) {
			s.values().
				process(vaUpdate("A"), vaUpdate("B"), vaEffect("a", false), vaEffect("b", false)).
				getsWith(vaSays("B", vaEffects(false, "a", "b")...), updated("B")).
				passivate()
		}},
		{58, one, func(s *subject) {
			s.values().process(vaEffect("other", true)).gets(vaSays("", vaEffects(true, "other")...)).passivate()
		}},
		{59, both, func(s *subject) {
			s.values().
				process(vaUpdate("A")).getsWith(vaSays("A"), updated("A")).
				process(vaForward("other")).gets(vaForwards("other")).
				process().gets(vaSays("A")).
				passivate()
		}},
		{60, both, func(s *subject) {
			s.values().process(vaUpdate("A"), vaForward("other")).getsWith(vaForwards("other"), updated("A")).passivate()
		}},
		{61, both, func(s *subject) {
			s.values().
				process(vaEffect("a", false), vaForward("b")).gets(vaForwards("b", vaEffects(false, "a")...)).
				passivate()
		}},
		{62, one, func(s *subject) { s.values().process(vaFail("no")).gets(fails("no")).passivate() }},
		{63, one, func(s *subject) {
			s.values().
				process(vaUpdate("A")).getsWith(vaSays("A"), updated("A")).
				process(vaFail("no")).gets(fails("no")).
				process().gets(vaSays("A")).
				passivate()
		}},
		{64, one, func(s *subject) {
			s.values().process(vaEffect("other", false), vaFail("no")).gets(fails("no")).passivate()
		}},
	}
}
