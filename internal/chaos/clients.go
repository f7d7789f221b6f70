package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/client"
	"github.com/mallee-io/mallee/internal/chaos/crowd"
	"github.com/mallee-io/mallee/wire/edge"
)

const (
	// firstMessage is what messages of clients are numbered from; calls have
	// smaller numbers.
	firstMessage = 1 << 40
	talkEvery    = 100 * time.Millisecond // on average
	settleEvery  = time.Second
	// settleWithin is how long a client of a cluster that is whole again may
	// wait for its actor.
	settleWithin = 30 * time.Second
)

// Clients are a crowd of clients that each have a session with an actor of their
// own, and record what they say and what they are told.
type Clients struct {
	URLs   []string // of gateways
	Record *Recorder
	Seed   uint64
	Number int

	op     atomic.Int64 // messages that were sent
	heard  atomic.Int64
	talked sync.WaitGroup // until Run ends
	all    []*talker
}

// Connect opens the sessions.
func (c *Clients) Connect(ctx context.Context) error {
	for n := range c.Number {
		c.all = append(c.all, &talker{Clients: c, number: n, echoed: make(chan int64, 1), ended: make(chan struct{})})
	}
	return each(c.all, func(t *talker) error { return t.connect(ctx) })
}

// Run talks until ctx ends.
func (c *Clients) Run(ctx context.Context) {
	for _, t := range c.all {
		c.talked.Go(func() { t.talk(ctx) })
	}
	c.talked.Wait()
}

// Finish returns, once the cluster is whole again and Run has returned, when
// each client has got through to its actor or has waited for too long. It ends
// the sessions.
func (c *Clients) Finish(ctx context.Context) error {
	settling, cancel := context.WithTimeout(ctx, settleWithin)
	defer cancel()
	return each(c.all, func(t *talker) error { return t.finish(settling) })
}

// talker is one client.
type talker struct {
	*Clients
	number int
	conn   *client.Conn
	echoed chan int64 // the last message that came back
	ended  chan struct{}
	open   bool // there is a connection; for notify
}

func (t *talker) connect(ctx context.Context) (err error) {
	urls := slices.Concat(t.URLs[t.number%len(t.URLs):], t.URLs[:t.number%len(t.URLs)])
	t.conn, err = client.Dial(ctx, client.Config{
		URLs: urls, Login: client.Login(map[string]string{"name": strconv.Itoa(t.number)}),
		Timeout: 5 * time.Second, MaxBackoff: 2 * time.Second, Notify: t.notify,
	})
	if err != nil {
		return fmt.Errorf("client %d: %w", t.number, err)
	}
	go t.listen()
	return nil
}

func (t *talker) note(w Word) {
	w.Client, w.At = t.number, now()
	t.Record.Word(w)
}

// notify is told of connections. Attempts that fail are none.
func (t *talker) notify(e client.Event) {
	switch {
	case e.Opened != nil:
		t.open = true
		t.note(Word{Opened: e.Opened.Session})
	case e.Closed != nil && t.open:
		t.open = false
		t.note(Word{Cut: e.Closed})
	}
}

// listen notes what comes, until the session ends.
func (t *talker) listen() {
	defer close(t.ended)
	for {
		m, err := t.conn.Receive(context.Background())
		var lost *edge.Loss
		var note crowd.Note
		switch {
		case errors.As(err, &lost):
			t.note(Word{Lost: lost})
			continue
		case err == nil:
			err = json.Unmarshal(m.Data, &note)
		}
		if err != nil {
			t.note(Word{Ended: err.Error()})
			return
		}
		t.note(Word{Note: &note})
		if t.heard.Add(1); note.Op > 0 {
			t.echo(note.Op)
		}
	}
}

// echo keeps the last one.
func (t *talker) echo(op int64) {
	select {
	case <-t.echoed:
	default:
	}
	t.echoed <- op
}

func (t *talker) talk(ctx context.Context) {
	random := rand.New(rand.NewPCG(t.Seed, firstMessage+uint64(t.number)))
	for sleep(ctx, time.Duration(random.ExpFloat64()*float64(talkEvery))) {
		if _, err := t.say(ctx); err != nil {
			return // listen tells
		}
	}
}

// say sends a message, whose number it returns.
func (t *talker) say(ctx context.Context) (int64, error) {
	op := firstMessage + t.op.Add(1)
	if err := t.conn.Send(ctx, mallee.Text(strconv.FormatInt(op, 10))); err != nil {
		return 0, err
	}
	t.note(Word{Said: op})
	return op, nil
}

// finish says something until it comes back.
func (t *talker) finish(ctx context.Context) error {
	defer func() {
		t.conn.Close()
		<-t.ended
	}()
	for first := int64(0); ; {
		op, err := t.say(ctx)
		if err != nil {
			return nil // the history tells
		}
		if first == 0 {
			first = op
		}
		again := time.After(settleEvery)
		for waiting := true; waiting; {
			select {
			case op := <-t.echoed:
				if op >= first {
					t.note(Word{Settled: true})
					return nil
				}
			case <-again:
				waiting = false
			case <-ctx.Done():
				return nil
			case <-t.ended:
				return nil
			}
		}
	}
}
