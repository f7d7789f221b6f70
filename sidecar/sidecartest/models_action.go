package sidecartest

import (
	"slices"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/internal/gen/tckpb/tckaction"
)

// unary calls ProcessUnary with one group of steps.
func (s *subject) unary(want outcome, steps ...*tckaction.ProcessStep) {
	s.Helper()
	s.talk(ActionUnary).send(acCommand(actionModel, "ProcessUnary", acSingle(steps...))).complete().expect(response(want)).end()
}

// streamedIn calls ProcessStreamedIn with a request of each group.
func (s *subject) streamedIn(want outcome, groups ...*tckaction.ProcessGroup) {
	s.Helper()
	d := s.talk(ActionStreamedIn).send(acCommand(actionModel, "ProcessStreamedIn", nil))
	for _, g := range groups {
		d.send(acMessage(acRequest(g)))
	}
	d.complete().expect(response(want)).end()
}

// streamedOut calls ProcessStreamedOut with one request of all groups.
func (s *subject) streamedOut(want []outcome, groups ...*tckaction.ProcessGroup) {
	s.Helper()
	s.talk(ActionStreamedOut).send(acCommand(actionModel, "ProcessStreamedOut", acRequest(groups...))).complete().
		expect(responses(want)...).end()
}

// streamed calls ProcessStreamed with a request of each group, each after the
// response to the one before, and with one request of all groups.
func (s *subject) streamed(want []outcome, groups ...*tckaction.ProcessGroup) {
	s.Helper()
	d := s.talk(ActionStreamed).send(acCommand(actionModel, "ProcessStreamed", nil))
	for i, g := range groups {
		d.send(acMessage(acRequest(g))).expect(response(want[i]))
	}
	d.send(acMessage(acRequest(groups...))).expect(responses(want)...).complete().end()
}

// actionModels are the checks of actions.
func actionModels() []model {
	services := []string{actionModel, actionTwo}
	models := []model{{3, services, func(s *subject) {
		s.isDeclared(typeAction, actionModel, "")
		s.isDeclared(typeAction, actionTwo, "")
	}}}
	return slices.Concat(models, unaryModels(services), streamedInModels(services), streamedModels(services))
}

// saying are the four things that an action can say to its caller.
type saying struct {
	steps []*tckaction.ProcessStep // one, or none
	says  func(effects ...*cloudstatepb.SideEffect) outcome
}

func sayings(text string) []saying {
	steps := func(s ...*tckaction.ProcessStep) []*tckaction.ProcessStep { return s }
	return []saying{
		{steps(acReply(text)), func(e ...*cloudstatepb.SideEffect) outcome { return acSays(text, e...) }},
		{nil, acNothing},
		{steps(acForward(text)), func(e ...*cloudstatepb.SideEffect) outcome { return acForwards(text, e...) }},
		{steps(acFail(text)), func(e ...*cloudstatepb.SideEffect) outcome { return acFails(text, e...) }},
	}
}

// sideEffects are the effects that may go along with what it says.
type sideEffects struct {
	steps   []*tckaction.ProcessStep
	effects []*cloudstatepb.SideEffect
}

func someEffects() []sideEffects {
	return []sideEffects{
		{},
		{[]*tckaction.ProcessStep{acEffect("other", false)}, acEffects(false, "other")},
		{[]*tckaction.ProcessStep{acEffect("other", true)}, acEffects(true, "other")},
		{[]*tckaction.ProcessStep{acEffect("a", false), acEffect("b", false), acEffect("c", false)}, acEffects(false, "a", "b", "c")},
	}
}

// unaryModels are 4 to 19: each saying with each of the effects.
func unaryModels(services []string) (models []model) {
	for i, saying := range sayings("text") {
		for j, e := range someEffects() {
			models = append(models, model{4 + 4*i + j, services, func(s *subject) {
				s.unary(saying.says(e.effects...), slices.Concat(saying.steps, e.steps)...)
			}})
		}
	}
	return models
}

// streamedInModels are 20 to 28.
func streamedInModels(services []string) (models []model) {
	more := []*tckaction.ProcessGroup{acGroup(acEffect("b", true)), acGroup(acEffect("c", false), acEffect("d", false))}
	effects := slices.Concat(acEffects(false, "a"), acEffects(true, "b"), acEffects(false, "c", "d"))
	numbers := [][2]int{{20, 21}, {23, 24}, {25, 26}, {27, 28}} // without effects, with them
	for i, saying := range sayings("text") {
		models = append(models,
			model{numbers[i][0], services, func(s *subject) { s.streamedIn(saying.says(), acGroup(saying.steps...)) }},
			model{numbers[i][1], services, func(s *subject) {
				first := acGroup(append(slices.Clone(saying.steps), acEffect("a", false))...)
				s.streamedIn(saying.says(effects...), append([]*tckaction.ProcessGroup{first}, more...)...)
			}})
	}
	return append(models, model{22, services, func(s *subject) { s.streamedIn(acNothing()) }})
}

// streamedModels are 29 to 36: 29 to 32 of one request, 33 to 36 of many.
func streamedModels(services []string) (models []model) {
	for i, saying := range sayings("text") {
		var (
			groups []*tckaction.ProcessGroup
			want   []outcome
		)
		for _, e := range someEffects() {
			groups = append(groups, acGroup(slices.Concat(saying.steps, e.steps)...))
			want = append(want, saying.says(e.effects...))
		}
		models = append(models,
			model{29 + i, services, func(s *subject) { s.streamedOut(want, groups...) }},
			model{33 + i, services, func(s *subject) { s.streamed(want, groups...) }})
	}
	return models
}
