package entity

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/valueentitypb"
	"github.com/mallee-io/mallee/sidecar/internal/command"
	"github.com/mallee-io/mallee/sidecar/internal/entity/rows"
	"github.com/mallee-io/mallee/storage"
)

// value is the protocol of entities whose state is one value.
type value struct {
	dialog
	version uint64 // of the value's row; 0: there is none
}

var valueTexts = texts{
	recovery:    "Unexpected Value entity failure",
	reply:       "Unexpected Value entity reply",
	failure:     "Unexpected Value entity failure",
	message:     "Unexpected Value entity failure",
	termination: "Unexpected Value entity termination",
}

func (m *value) begin(head storage.Row) (proto.Message, error) {
	m.last, m.version = 0, head.Version
	state := &valueentitypb.ValueEntityInitState{} // present even when there is no value
	if head.Version != 0 {
		value, err := rows.DecodeAny(head)
		if err != nil {
			return nil, err
		}
		state.Value = value
	}
	return &valueentitypb.ValueEntityStreamIn{Message: &valueentitypb.ValueEntityStreamIn_Init{
		Init: &valueentitypb.ValueEntityInit{ServiceName: m.service, EntityId: m.id, State: state},
	}}, nil
}

func (m *value) replay(row storage.Row) (proto.Message, error) {
	return nil, fmt.Errorf("a value has an event %q: is the persistence id that of another service?", row.Key.Key2)
}

func (m *value) command(c *command.Command, pass bool) proto.Message {
	return &valueentitypb.ValueEntityStreamIn{Message: &valueentitypb.ValueEntityStreamIn_Command{Command: m.next(c, pass)}}
}

func (*value) message() proto.Message { return &valueentitypb.ValueEntityStreamOut{} }

func (m *value) answered(message proto.Message) (*answer, error) {
	said := message.(*valueentitypb.ValueEntityStreamOut)
	reply := said.GetReply()
	a, err := m.take(said.GetFailure(), reply, reply == nil)
	if err != nil || reply.StateAction == nil {
		return a, err
	}
	return a, m.record(a, reply.StateAction)
}

// record makes a row of what becomes of the value.
func (m *value) record(a *answer, action *valueentitypb.ValueEntityAction) error {
	switch action := action.Action.(type) {
	case *valueentitypb.ValueEntityAction_Update:
		if action.Update.GetValue() == nil {
			return &fault{"Value entity updated without a value", errors.New("the user function has sent an update with no value in it")}
		}
		op, err := m.put(rows.Value, action.Update.Value, m.version)
		a.rows = []storage.Op{op}
		return err
	case *valueentitypb.ValueEntityAction_Delete:
		if m.version != 0 {
			a.rows = []storage.Op{storage.Delete(m.key(rows.Value), m.version)}
		}
		return nil
	}
	return &fault{"Value entity neither updated nor deleted", errors.New("the user function has sent a state action with nothing in it")}
}

func (m *value) written(_ *answer, versions []uint64) {
	if len(versions) > 0 {
		m.version = versions[0] // 0: deleted
	}
}

func (*value) sequence() uint64 { return 0 }
