package sidecartest

import (
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/crdtpb"
	"github.com/mallee-io/mallee/internal/gen/tckpb/tckcrdt"
)

// replicated serves the streams of replicated entities.
type replicated struct {
	crdtpb.UnimplementedCrdtServer
	f *Function
}

func (s replicated) Handle(stream grpc.BidiStreamingServer[crdtpb.CrdtStreamIn, crdtpb.CrdtStreamOut]) error {
	var below grpc.ServerStream = stream
	if s.f.speaks01() {
		below = &stream01{ServerStream: stream}
	}
	t := takeTurns(below)
	r := replica{turns: t}
	return converse(s.f.config.Misbehave, t, func() proto.Message { return new(crdtpb.CrdtStreamIn) }, r.step)
}

// replica is one stream.
type replica struct {
	entity
	turns    *turns
	value    datum
	monitors []*monitor // oldest first
	deleted  bool
}

// monitor is a streamed command that is open.
type monitor struct {
	id  int64
	req *tckcrdt.StreamedRequest
}

func (r *replica) step(in proto.Message) ([]proto.Message, error) {
	if in == nil {
		return nil, nil
	}
	out, err := r.message(in.(*crdtpb.CrdtStreamIn))
	if err != nil {
		f := &cloudstatepb.Failure{Description: err.Error()}
		out = []proto.Message{&crdtpb.CrdtStreamOut{Message: &crdtpb.CrdtStreamOut_Failure{Failure: f}}}
	}
	return out, err
}

func (r *replica) message(in *crdtpb.CrdtStreamIn) ([]proto.Message, error) {
	if r.turns.foul != nil {
		return nil, r.turns.foul
	}
	if init := in.GetInit(); init != nil {
		return nil, r.start(init)
	}
	switch {
	case r.service == "":
		return nil, violation("before the init: %s", short(in))
	case r.deleted:
		return nil, violation("after the entity was deleted: %s", short(in))
	}
	switch m := in.GetMessage().(type) {
	case *crdtpb.CrdtStreamIn_Delta:
		if err := r.value.apply(m.Delta); err != nil {
			return nil, err
		}
		return r.tellMonitors(0), nil
	case *crdtpb.CrdtStreamIn_Delete:
		r.deleted = true
		return nil, nil
	case *crdtpb.CrdtStreamIn_Command:
		return r.answer(m.Command)
	case *crdtpb.CrdtStreamIn_StreamCancelled:
		return r.cancel(m.StreamCancelled)
	}
	return nil, violation("an empty message")
}

func (r *replica) start(init *crdtpb.CrdtInit) (err error) {
	if err := r.init(init.GetServiceName(), init.GetEntityId()); err != nil {
		return err
	}
	switch r.service {
	case crdtModel:
		r.streamed = "ProcessStreamed"
		r.value, err = newDatum(r.id)
	case crdtTwo, crdtConfigured:
		r.value = &flag{} // which is never enabled
	default:
		err = violation("there is no replicated entity service %s", r.service)
	}
	if err != nil || init.GetDelta() == nil {
		return err
	}
	return r.value.apply(init.GetDelta())
}

// answer carries out a command, and tells those who watch the value.
func (r *replica) answer(c *cloudstatepb.Command) ([]proto.Message, error) {
	if err := r.command(c); err != nil {
		return nil, err
	}
	var (
		reply = &crdtpb.CrdtReply{CommandId: c.GetId(), Streamed: c.GetStreamed()}
		o     outcome
		err   error
	)
	switch r.service + "." + c.GetName() {
	case crdtModel + ".Process":
		o, reply.StateAction, err = r.process(c)
	case crdtModel + ".ProcessStreamed":
		o, reply.StateAction, err = r.processStreamed(c)
	case crdtTwo + ".Call", crdtConfigured + ".Call":
		o, reply.StateAction, err = r.call(c)
	default:
		err = violation("there is no command %s.%s", r.service, c.GetName())
	}
	if err != nil {
		return nil, err
	}
	reply.ClientAction, reply.SideEffects = o.clientAction(c.GetId(), false), o.effects
	out := []proto.Message{&crdtpb.CrdtStreamOut{Message: &crdtpb.CrdtStreamOut_Reply{Reply: reply}}}
	if reply.GetStateAction().GetUpdate() != nil {
		out = append(out, r.tellMonitors(c.GetId())...)
	}
	return out, nil
}

// process carries out the actions of CrdtTckModel, or none if one of them fails.
func (r *replica) process(c *cloudstatepb.Command) (o outcome, action *crdtpb.CrdtStateAction, err error) {
	var req tckcrdt.Request
	if err := unpack(c.GetPayload(), &req); err != nil {
		return o, nil, err
	}
	for _, a := range req.GetActions() {
		if f := a.GetFail(); f != nil {
			return outcome{fail: f.GetMessage()}, nil, nil
		}
	}
	var consistency crdtpb.CrdtWriteConsistency
	for _, a := range req.GetActions() {
		switch a := a.GetAction().(type) {
		case *tckcrdt.RequestAction_Update:
			err = r.value.update(a.Update)
			consistency = crdtpb.CrdtWriteConsistency(a.Update.GetWriteConsistency())
		case *tckcrdt.RequestAction_Delete:
			r.deleted = true
		case *tckcrdt.RequestAction_Forward:
			o.forward = forwardTo(crdtTwo, "Call", &tckcrdt.Request{Id: a.Forward.GetId()})
		case *tckcrdt.RequestAction_Effect:
			o.effects = append(o.effects, crSideEffect(a.Effect))
		}
		if err != nil {
			return o, nil, err
		}
	}
	o.reply = &tckcrdt.Response{State: r.value.state()}
	return o, r.stateAction(consistency), nil
}

// processStreamed opens a call of CrdtTckModel that goes on.
func (r *replica) processStreamed(c *cloudstatepb.Command) (o outcome, action *crdtpb.CrdtStateAction, err error) {
	req := new(tckcrdt.StreamedRequest)
	if err := unpack(c.GetPayload(), req); err != nil {
		return o, nil, err
	}
	if u := req.GetInitialUpdate(); u != nil {
		if err := r.value.update(u); err != nil {
			return o, nil, err
		}
	}
	r.monitors = append(r.monitors, &monitor{c.GetId(), req})
	if !req.GetEmpty() {
		o.reply = &tckcrdt.Response{State: r.value.state()}
	}
	return o, r.stateAction(crdtpb.CrdtWriteConsistency(req.GetInitialUpdate().GetWriteConsistency())), nil
}

// call is what the other services do.
func (r *replica) call(c *cloudstatepb.Command) (o outcome, action *crdtpb.CrdtStateAction, err error) {
	var req tckcrdt.Request
	if err := unpack(c.GetPayload(), &req); err != nil {
		return o, nil, err
	}
	for _, a := range req.GetActions() {
		r.deleted = r.deleted || a.GetDelete() != nil
	}
	return outcome{reply: &tckcrdt.Response{}}, r.stateAction(crdtpb.CrdtWriteConsistency_LOCAL), nil
}

// stateAction tells the sidecar what has changed; nil: nothing.
func (r *replica) stateAction(c crdtpb.CrdtWriteConsistency) *crdtpb.CrdtStateAction {
	switch {
	case r.deleted:
		return crDeletes(c)
	case r.value.changed():
		return crChanges(r.value.tell(), c)
	}
	return nil
}

// cancel ends a streamed command whose caller has gone. One that has ended by
// itself in the meantime needs no answer.
func (r *replica) cancel(c *cloudstatepb.StreamCancelled) ([]proto.Message, error) {
	if c.GetEntityId() != r.id {
		return nil, violation("a stream of entity %q is cancelled on the stream of %q", c.GetEntityId(), r.id)
	}
	i := slices.IndexFunc(r.monitors, func(m *monitor) bool { return m.id == c.GetId() })
	if i < 0 {
		return nil, nil
	}
	m := r.monitors[i]
	r.monitors = slices.Delete(r.monitors, i, i+1)
	update := m.req.GetCancelUpdate()
	if update != nil {
		if err := r.value.update(update); err != nil {
			return nil, err
		}
	}
	response := &crdtpb.CrdtStreamCancelledResponse{
		CommandId:   c.GetId(),
		StateAction: r.stateAction(crdtpb.CrdtWriteConsistency(update.GetWriteConsistency())),
	}
	out := []proto.Message{&crdtpb.CrdtStreamOut{Message: &crdtpb.CrdtStreamOut_StreamCancelledResponse{StreamCancelledResponse: response}}}
	if response.GetStateAction() != nil {
		out = append(out, r.tellMonitors(0)...)
	}
	return out, nil
}

// tellMonitors sends the value to all streamed commands but the one that has
// changed it, and has answered with it.
func (r *replica) tellMonitors(by int64) (out []proto.Message) {
	var left []*monitor
	for _, m := range r.monitors {
		if m.id == by {
			left = append(left, m)
			continue
		}
		message := m.message(r.value.state())
		if message.GetClientAction() != nil || len(message.GetSideEffects()) > 0 || message.GetEndStream() {
			out = append(out, &crdtpb.CrdtStreamOut{Message: &crdtpb.CrdtStreamOut_StreamedMessage{StreamedMessage: message}})
		}
		if !message.GetEndStream() {
			left = append(left, m)
		}
	}
	r.monitors = left
	return out
}

func (m *monitor) message(state *tckcrdt.State) *crdtpb.CrdtStreamedMessage {
	var o outcome
	if !m.req.GetEmpty() {
		o.reply = &tckcrdt.Response{State: state}
	}
	for _, e := range m.req.GetEffects() {
		o.effects = append(o.effects, crSideEffect(e))
	}
	return &crdtpb.CrdtStreamedMessage{
		CommandId:    m.id,
		ClientAction: o.clientAction(m.id, false),
		SideEffects:  o.effects,
		EndStream:    m.req.GetEndState() != nil && proto.Equal(m.req.GetEndState(), state),
	}
}

func crSideEffect(e *tckcrdt.Effect) *cloudstatepb.SideEffect {
	return effectOn(crdtTwo, "Call", &tckcrdt.Request{Id: e.GetId()}, e.GetSynchronous())
}

// crChanges is the action of a change, crDeletes that of a deletion.
func crChanges(d *crdtpb.CrdtDelta, c crdtpb.CrdtWriteConsistency) *crdtpb.CrdtStateAction {
	return &crdtpb.CrdtStateAction{Action: &crdtpb.CrdtStateAction_Update{Update: d}, WriteConsistency: c}
}

func crDeletes(c crdtpb.CrdtWriteConsistency) *crdtpb.CrdtStateAction {
	return &crdtpb.CrdtStateAction{Action: &crdtpb.CrdtStateAction_Delete{Delete: &crdtpb.CrdtDelete{}}, WriteConsistency: c}
}
