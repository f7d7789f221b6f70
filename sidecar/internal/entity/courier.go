package entity

import (
	"context"
	"time"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/sidecar/internal/command"
	"github.com/mallee-io/mallee/sidecar/internal/entity/rows"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
	"github.com/mallee-io/mallee/storage"
)

// courier carries out what is in an entity's outbox. Its methods are for turns.
type courier struct {
	outbox
	entity  *entity
	ctx     context.Context // of what is carried out aside
	cancel  context.CancelFunc
	landed  chan landing // as many as can be aside, so nothing waits to land
	erasing bool         // a turn will erase what is done
}

// landing is the end of a try aside.
type landing struct {
	*outgoing
	err error
}

func newCourier(e *entity) *courier {
	c := &courier{outbox: outbox{epoch: e.activation.Epoch()}, entity: e, landed: make(chan landing, maxAside)}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// loadOutbox reads what earlier activations have left.
func (e *entity) loadOutbox(ctx context.Context) error {
	at := storage.Range{Table: e.kind.table, Key1: e.activation.ID().Key, Prefix: rows.Outbox}
	for row, err := range e.activation.Store().List(ctx, at) {
		if err != nil {
			return err
		}
		if e.courier == nil {
			e.courier = newCourier(e)
		}
		if err := e.courier.load(row); err != nil {
			return err
		}
		e.kind.Figures.OutgoingAgain.Add(1)
	}
	return nil
}

// inTurn carries out, in its turn, what a command waits for, and begins the
// rest. The reply is the forward's, if there is one. After an error nothing more
// is waited for.
func (c *courier) inTurn(ctx context.Context, all []*outgoing) (reply *command.Reply, err error) {
	for _, o := range all {
		if err != nil || !o.inTurn() {
			c.putAside(o)
			continue
		}
		reply, err = c.carryOut(ctx, o)
		c.settle(o, err)
	}
	return reply, err
}

func (c *courier) putAside(o *outgoing) {
	o.forward = nil
	c.queue = append(c.queue, o)
	c.sendAside()
}

// sendAside begins what is in the queue, as far as there is room. Each begins
// before the next one.
func (c *courier) sendAside() {
	for o := c.begin(); o != nil; o = c.begin() {
		begun := make(chan struct{})
		go func() {
			close(begun)
			ctx, cancel := context.WithTimeout(c.ctx, c.entity.kind.RelayTimeout)
			defer cancel()
			_, err := c.carryOut(ctx, o)
			c.landed <- landing{o, err}
			c.entity.activation.Schedule(0, 0, func(context.Context) { c.land() })
		}()
		<-begun
	}
}

// land takes in what has ended aside.
func (c *courier) land() {
	for {
		select {
		case l := <-c.landed:
			c.take(l)
		default:
			c.sendAside()
			return
		}
	}
}

func (c *courier) take(l landing) {
	c.aside--
	if l.err != nil && !mayPass(l.err) {
		c.entity.kind.Figures.OutgoingAbandoned.Add(1)
		c.report("an effect is given up: it can never succeed", l.outgoing, l.err)
	}
	c.settle(l.outgoing, l.err)
}

// carryOut is one try. It changes nothing but the forward's target.
func (c *courier) carryOut(ctx context.Context, o *outgoing) (*command.Reply, error) {
	k, from := c.entity.kind, c.entity.activation
	id := k.service.PersistenceID + "/" + from.ID().Key + "/" + o.number()
	on := k.service.Method(o.what.GetMethod())
	if on == nil { // of an earlier version of the user function
		on = &spec.Method{Service: k.service, Name: o.what.GetMethod()}
	}
	if f := o.forward; f != nil {
		return k.Router.Forward(ctx, from, &cloudstatepb.Forward{
			ServiceName: f.ServiceName, CommandName: f.CommandName, Payload: f.Payload, Metadata: withID(f.Metadata, id),
		}, on, o.trail())
	}
	effect := o.what.Effect
	return nil, k.Router.Effect(ctx, from, &cloudstatepb.SideEffect{
		ServiceName: effect.ServiceName, CommandName: effect.CommandName, Payload: effect.Payload,
		Synchronous: effect.Synchronous, Metadata: withID(effect.Metadata, id),
	}, on, o.trail())
}

// settle draws the consequences of a try.
func (c *courier) settle(o *outgoing, err error) {
	e := c.entity
	pause, again := c.outbox.settle(o, e.key(""), err)
	if again {
		e.kind.Figures.OutgoingAgain.Add(1)
		c.report("a forward or effect has to be tried again", o, err)
		e.activation.Schedule(pause, 0, func(context.Context) { c.putAside(o) })
		return
	}
	if !c.erasing {
		c.erasing = true
		e.activation.Schedule(eraseAfter, 0, func(ctx context.Context) { _ = c.eraseDone(ctx) }) // the activation ends if it fails
	}
}

// report tells of a try whose error no caller gets, or not the last one.
func (c *courier) report(what string, o *outgoing, err error) {
	k, effect := c.entity.kind, o.what.Effect
	k.Log.Warn(what, "service", k.service.Name, "entity", c.entity.activation.ID().Key, "method", o.what.Method,
		"target", effect.ServiceName+"."+effect.CommandName, "tries", o.tries, "error", err)
}

// eraseAfter is how long what is done waits for a write that takes it along.
const eraseAfter = 100 * time.Millisecond

// eraseDone deletes the rows of all that is done.
func (c *courier) eraseDone(ctx context.Context) error {
	c.erasing = false
	for len(c.done) > 0 {
		ops, err := c.ops(nil, c.entity.key(""))
		if err != nil {
			return err
		}
		versions, err := c.entity.write(ctx, ops)
		if err != nil {
			return err
		}
		c.written(nil, versions)
	}
	return nil
}

// close waits for what is aside, within a limit, and erases what is done. The
// next activation carries out the rest again.
func (c *courier) close(ctx context.Context) error {
	wait, cancel := context.WithTimeout(ctx, c.entity.kind.CloseTimeout)
	defer cancel()
	for c.aside > 0 && wait.Err() == nil {
		select {
		case l := <-c.landed:
			c.take(l)
		case <-wait.Done():
		}
	}
	return c.eraseDone(ctx)
}
