package entity

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/sidecar/internal/command"
	"github.com/mallee-io/mallee/sidecar/internal/entity/rows"
	"github.com/mallee-io/mallee/storage"
)

// machine is the protocol of one kind of entity: what is said on its streams and
// what is kept in its partition. It only computes.
//
//	begin → replay* → (command → answered → written?)*
//
// After anything else than an answer the stream is of no use, and begin starts
// the next one.
type machine interface {
	// begin gives the first message of a new stream. Head is the row with the
	// state that it begins with; the zero Row: there is none.
	begin(head storage.Row) (proto.Message, error)
	// replay gives the message of the next event.
	replay(event storage.Row) (proto.Message, error)
	// command gives the message of a command.
	command(c *command.Command, pass bool) proto.Message
	// message is an empty message of the user function.
	message() proto.Message
	// answered takes what the user function has said to the latest command. A
	// fault ends the stream.
	answered(m proto.Message) (*answer, error)
	// written is told the versions of an answer's rows, in their order.
	written(a *answer, versions []uint64)
	// sequence is the number of the last event.
	sequence() uint64
}

// answer is what the user function has said to a command.
type answer struct {
	action  *cloudstatepb.ClientAction // may be nil
	effects []*cloudstatepb.SideEffect
	rows    []storage.Op
	events  int  // of rows
	restart bool // the user function wants a new stream; nothing else of the answer counts but the failure
}

// fault is why a stream cannot go on. The text is what the protocol has for it,
// and all that callers get.
type fault struct {
	text  string
	cause error
}

func (f *fault) Error() string { return f.text + ": " + f.cause.Error() }
func (f *fault) Unwrap() error { return f.cause }

// texts are the faults that both kinds have, each in its own words.
type texts struct {
	recovery    string // stored rows cannot be read
	reply       string // an answer to something else
	failure     string // not tied to an answer
	message     string // nothing in it
	termination string // the stream has ended
}

// dialog is what machines have in common.
type dialog struct {
	*texts
	service, table, id string
	last               int64 // id of the latest command on this stream
}

func (d *dialog) key(key2 string) storage.Key {
	return storage.Key{Table: d.table, Key1: d.id, Key2: key2}
}

func (d *dialog) next(c *command.Command, pass bool) *cloudstatepb.Command {
	d.last++
	asked := &cloudstatepb.Command{
		EntityId: d.id,
		Id:       d.last,
		Name:     c.On.Name,
		Payload:  c.Payload.Any(),
	}
	if pass {
		asked.Metadata = c.Metadata.Proto()
	}
	return asked
}

// replied is the reply of either kind.
type replied interface {
	GetCommandId() int64
	GetClientAction() *cloudstatepb.ClientAction
	GetSideEffects() []*cloudstatepb.SideEffect
}

// take takes what both kinds have in their answers. Anything but a reply to the
// latest command is a fault.
func (d *dialog) take(f *cloudstatepb.Failure, r replied, empty bool) (*answer, error) {
	switch {
	case f != nil:
		return nil, d.failed(f)
	case empty:
		return nil, &fault{d.message, errEmpty}
	case r.GetCommandId() != d.last:
		return nil, &fault{d.reply, fmt.Errorf("the user function has answered command %d; the latest is %d", r.GetCommandId(), d.last)}
	}
	return &answer{action: r.GetClientAction(), effects: r.GetSideEffects()}, nil
}

func (d *dialog) failed(f *cloudstatepb.Failure) error {
	return &fault{d.failure, fmt.Errorf("the user function has failed at command %d: %s", f.GetCommandId(), f.GetDescription())}
}

var (
	errEmpty = errors.New("the user function has sent a message with nothing in it")
	errEnded = errors.New("the user function has ended the stream")
)

func (d *dialog) put(key2 string, m proto.Message, version uint64) (storage.Op, error) {
	value, err := rows.Encode(m)
	if err != nil {
		return storage.Op{}, &fault{d.message, fmt.Errorf("encode row %s: %w", key2, err)}
	}
	return storage.PutBytes(d.key(key2), value, version), nil
}
