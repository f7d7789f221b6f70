package entity

import (
	"strings"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/internal/gen/sidecarpb"
	"github.com/mallee-io/mallee/sidecar/internal/command"
	"github.com/mallee-io/mallee/sidecar/internal/entity/rows"
	"github.com/mallee-io/mallee/storage"
)

// outgoing is a forward or side effect that an answer of the user function asks
// for. It is recorded with the answer's rows and carried out, under the same
// number, until its target has answered, be it with a failure:
//
//	recorded → (carried out)+ → done → erased
//
// Forwards and synchronous effects are carried out at first in the turn of their
// command. If that does not succeed the caller gets the error, and what is
// recorded is carried out nevertheless, aside: it belongs to the state.
type outgoing struct {
	key     string // key2 of its row
	version uint64 // of its row
	what    *sidecarpb.Outgoing
	forward *cloudstatepb.Forward // nil: an effect, or nobody waits for the reply any more
	tries   int                   // that have not succeeded
}

// number names it among all that the entity ever sends.
func (o *outgoing) number() string { return strings.TrimPrefix(o.key, rows.Outbox) }

// inTurn reports whether its command waits for it.
func (o *outgoing) inTurn() bool { return o.forward != nil || o.what.Effect.GetSynchronous() }

// trail is what had led to the command that asked for it.
func (o *outgoing) trail() []command.Step {
	var trail []command.Step
	for _, s := range o.what.GetTrail() {
		trail = append(trail, command.Step{Service: s.GetService(), Method: s.GetMethod(), Effect: s.GetEffect()})
	}
	return trail
}

// maxAside bounds what one entity has carried out aside at a time, and maxErased
// how many rows one write erases.
const (
	maxAside  = 64
	maxErased = 256
)

// outbox has the outgoing of one entity. It only computes.
type outbox struct {
	epoch   uint64
	last    uint64       // number of the last one of this epoch
	pending int          // recorded and not done
	queue   []*outgoing  // to be carried out aside, in order
	aside   int          // being carried out so
	done    []storage.Op // that erase those which are done
}

// ask makes outgoing of what an answer to a command asks for, in order.
func (b *outbox) ask(c *command.Command, a *answer) (all []*outgoing) {
	for _, effect := range a.effects {
		all = append(all, b.add(c, effect))
	}
	if forward := a.action.GetForward(); forward != nil {
		o := b.add(c, &cloudstatepb.SideEffect{
			ServiceName: forward.ServiceName, CommandName: forward.CommandName,
			Payload: forward.Payload, Metadata: forward.Metadata,
		})
		o.forward = forward
		all = append(all, o)
	}
	return all
}

func (b *outbox) add(c *command.Command, effect *cloudstatepb.SideEffect) *outgoing {
	b.last++
	what := &sidecarpb.Outgoing{Method: c.On.Name, Effect: effect}
	for _, s := range c.Trail {
		what.Trail = append(what.Trail, &sidecarpb.Step{Service: s.Service, Method: s.Method, Effect: s.Effect})
	}
	return &outgoing{key: rows.OutboxKey(b.epoch, b.last), what: what}
}

// load takes in a row that an earlier activation has left. It goes before all
// of this one.
func (b *outbox) load(row storage.Row) error {
	what, err := rows.DecodeOutgoing(row)
	if err != nil {
		return err
	}
	b.pending++
	b.queue = append(b.queue, &outgoing{key: row.Key.Key2, version: row.Version, what: what})
	return nil
}

// ops make rows of fresh ones, and erase rows of those that are done.
func (b *outbox) ops(fresh []*outgoing, at storage.Key) ([]storage.Op, error) {
	ops := make([]storage.Op, 0, len(fresh)+min(len(b.done), maxErased))
	for _, o := range fresh {
		value, err := rows.Encode(o.what)
		if err != nil {
			return nil, err
		}
		at.Key2 = o.key
		ops = append(ops, storage.PutBytes(at, value, 0))
	}
	return append(ops, b.done[:min(len(b.done), maxErased)]...), nil
}

// written is told the versions of what ops gave.
func (b *outbox) written(fresh []*outgoing, versions []uint64) {
	for i, o := range fresh {
		o.version = versions[i]
	}
	b.pending += len(fresh)
	if b.done = b.done[len(versions)-len(fresh):]; len(b.done) == 0 {
		b.done = nil
	}
}

// begin gives the next one to be carried out aside; nil: none now.
func (b *outbox) begin() *outgoing {
	if b.aside == maxAside || len(b.queue) == 0 {
		return nil
	}
	o := b.queue[0]
	b.queue[0] = nil
	b.queue = b.queue[1:]
	b.aside++
	return o
}

// settle is told how the try of an outgoing went, and says whether, and after
// how long, there has to be another one.
func (b *outbox) settle(o *outgoing, at storage.Key, err error) (pause time.Duration, again bool) {
	if mayPass(err) {
		o.tries++
		o.forward = nil
		return min(firstPause<<min(o.tries-1, maxDoublings), lastPause), true
	}
	at.Key2 = o.key
	b.pending--
	b.done = append(b.done, storage.Delete(at, o.version))
	return 0, false
}

// Pauses before an outgoing is carried out again.
const (
	firstPause   = time.Second
	lastPause    = time.Minute
	maxDoublings = 6
)

// mayPass reports whether an error is one of the way, not the target's answer.
func mayPass(err error) bool {
	if err == nil {
		return false
	}
	switch mallee.AsError(err).Code {
	case mallee.CodeUnavailable, mallee.CodeTimeout, mallee.CodeCanceled, mallee.CodeOverloaded,
		mallee.CodeActivation, mallee.CodeFenced, mallee.CodeStorage, mallee.CodeConflict:
		return true
	}
	return false
}

// idKey is of the metadata that tell a target the number, so that it can know
// what it has done already.
const idKey = "mallee-id"

func withID(m *cloudstatepb.Metadata, id string) *cloudstatepb.Metadata {
	entry := &cloudstatepb.MetadataEntry{Key: idKey, Value: &cloudstatepb.MetadataEntry_StringValue{StringValue: id}}
	entries := m.GetEntries()
	return &cloudstatepb.Metadata{Entries: append(entries[:len(entries):len(entries)], entry)}
}
