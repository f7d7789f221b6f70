package entity

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/eventsourcedpb"
	"github.com/mallee-io/mallee/sidecar/internal/command"
	"github.com/mallee-io/mallee/sidecar/internal/entity/rows"
	"github.com/mallee-io/mallee/storage"
)

// eventSourced is the protocol of entities whose state is the sum of events.
type eventSourced struct {
	dialog
	whole    bool   // no snapshot is given to the user function
	count    uint64 // of events until now; also the number of the last one
	snapshot uint64 // version of the snapshot's row; 0: there is none
}

var eventSourcedTexts = texts{
	recovery:    "Error recovering event log",
	reply:       "Unexpected entity reply",
	failure:     "Unexpected entity failure",
	message:     "Unexpected entity message",
	termination: "Unexpected entity termination",
}

func (m *eventSourced) begin(head storage.Row) (proto.Message, error) {
	m.last, m.count, m.snapshot = 0, 0, head.Version
	init := &eventsourcedpb.EventSourcedInit{ServiceName: m.service, EntityId: m.id}
	if head.Version != 0 && !m.whole {
		snapshot, err := rows.DecodeSnapshot(head)
		if err != nil {
			return nil, err
		}
		m.count, init.Snapshot = uint64(snapshot.SnapshotSequence), snapshot
	}
	return &eventsourcedpb.EventSourcedStreamIn{Message: &eventsourcedpb.EventSourcedStreamIn_Init{Init: init}}, nil
}

func (m *eventSourced) replay(row storage.Row) (proto.Message, error) {
	if row.Key.Key2 != rows.EventKey(m.count+1) {
		return nil, fmt.Errorf("event %d is missing: the next one in the store is %q", m.count+1, row.Key.Key2)
	}
	event, err := rows.DecodeAny(row)
	if err != nil {
		return nil, err
	}
	m.count++
	return &eventsourcedpb.EventSourcedStreamIn{Message: &eventsourcedpb.EventSourcedStreamIn_Event{
		Event: &eventsourcedpb.EventSourcedEvent{Sequence: int64(m.count), Payload: event},
	}}, nil
}

func (m *eventSourced) command(c *command.Command, pass bool) proto.Message {
	return &eventsourcedpb.EventSourcedStreamIn{Message: &eventsourcedpb.EventSourcedStreamIn_Command{Command: m.next(c, pass)}}
}

func (*eventSourced) message() proto.Message { return &eventsourcedpb.EventSourcedStreamOut{} }

func (m *eventSourced) answered(message proto.Message) (*answer, error) {
	said := message.(*eventsourcedpb.EventSourcedStreamOut)
	reply := said.GetReply()
	a, err := m.take(said.GetFailure(), reply, reply == nil)
	if err != nil {
		return nil, err
	}
	if reply.ClientAction.GetFailure().GetRestart() {
		return &answer{action: a.action, restart: true}, nil
	}
	return a, m.record(a, reply)
}

// record makes rows of the events and of the snapshot, which is one of the
// state after them.
func (m *eventSourced) record(a *answer, reply *eventsourcedpb.EventSourcedReply) error {
	last := m.count
	for _, event := range reply.Events {
		last++
		op, err := m.put(rows.EventKey(last), event, 0)
		if err != nil {
			return err
		}
		a.rows = append(a.rows, op)
	}
	a.events = len(reply.Events)
	if reply.Snapshot == nil || a.events == 0 { // the protocol ignores a snapshot without events
		return nil
	}
	op, err := m.put(rows.Snapshot, &eventsourcedpb.EventSourcedSnapshot{SnapshotSequence: int64(last), Snapshot: reply.Snapshot}, m.snapshot)
	a.rows = append(a.rows, op)
	return err
}

func (m *eventSourced) written(a *answer, versions []uint64) {
	m.count += uint64(a.events)
	if len(versions) > a.events {
		m.snapshot = versions[a.events]
	}
}

func (m *eventSourced) sequence() uint64 { return m.count }
