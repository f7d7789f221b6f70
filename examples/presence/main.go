// Command presence is a cluster of three nodes, all of which know who is online, how
// often somebody has come, how much each has said, and how a vote stands. Each reads
// and changes its own copy of that: nobody asks another node.
//
//	go run ./examples/presence
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/mallee-io/mallee/crdt"
	"github.com/mallee-io/mallee/node"
	"github.com/mallee-io/mallee/placement"
	"github.com/mallee-io/mallee/storage"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Stdout)
	stop()
	if err != nil && !errors.Is(err, context.Canceled) {
		log.Fatal(err)
	}
}

// lease is how long a node that dies is still taken for alive.
const lease = 5 * time.Second

// run plays a day in three offices, and shows what each of them sees of it.
func run(ctx context.Context, out io.Writer) (err error) {
	// Nodes in processes of their own have a placement driver (mallee pd) and a
	// database in common; these have both in memory.
	driver, store := placement.Memory(lease), storage.Memory()
	var offices []*office
	defer func() {
		for _, o := range offices {
			err = errors.Join(err, o.close(context.WithoutCancel(ctx)))
		}
	}()
	for _, city := range []string{"Oslo", "Lima", "Cairo"} {
		o, err := openOffice(ctx, city, node.Config{Placement: driver, Store: store})
		if err != nil {
			return err
		}
		offices = append(offices, o)
	}
	for _, o := range offices {
		if err := o.sees(ctx, crdt.Tally{Voters: len(offices)}); err != nil { // all have found one another
			return err
		}
	}
	day := &day{ctx: ctx, out: out, offices: offices}
	oslo, lima, cairo := offices[0], offices[1], offices[2]

	day.happens("Ann comes in Oslo, Bob in Lima, Eve and Joe in Cairo", func() error {
		return errors.Join(oslo.enter("Ann"), lima.enter("Bob"), cairo.enter("Eve"), cairo.enter("Joe"))
	})
	day.happens("They talk, and Ann more than the others; Joe leaves, and Oslo notes it", func() error {
		return errors.Join(oslo.say("Ann"), lima.say("Bob"), lima.say("Ann"), oslo.say("Ann"), cairo.say("Eve"), oslo.leave("Joe"))
	})
	day.happens("Oslo and Lima vote for lunch", func() error {
		return errors.Join(oslo.lunch.Value.Vote(true), lima.lunch.Value.Vote(true))
	})
	day.happens("A host, wherever it lives, welcomes Kim", func() error {
		greeting, err := HostOf(cairo.node, "reception").Welcome(ctx, "Kim")
		fmt.Fprintf(out, "  %q\n", greeting)
		return err
	})
	day.happens("Oslo closes: Ann leaves, and its vote does not count any more", func() error {
		offices = offices[1:]
		day.offices = offices
		return errors.Join(oslo.leave("Ann"), oslo.online.Wait(ctx, crdt.Majority), oslo.close(ctx), lima.sees(ctx, crdt.Tally{Self: true, For: 1, Voters: 2}), cairo.sees(ctx, crdt.Tally{For: 1, Voters: 2}))
	})
	return day.err
}

// day is what happens, until something fails.
type day struct {
	ctx     context.Context
	out     io.Writer
	offices []*office
	err     error
}

// happens lets something happen, and shows what each office sees afterwards.
func (d *day) happens(what string, do func() error) {
	if d.err != nil {
		return
	}
	fmt.Fprintf(d.out, "%s.\n", what)
	if d.err = do(); d.err == nil {
		d.err = d.show()
	}
}

// show lets the offices wait for one another, which they need not: all of them
// would see the same some milliseconds later.
func (d *day) show() error {
	for _, o := range d.offices {
		if err := o.online.Wait(d.ctx, crdt.Majority); err != nil {
			return err
		}
	}
	for _, o := range d.offices {
		if err := o.online.Refresh(d.ctx); err != nil {
			return err
		}
		view, err := o.view()
		if err != nil {
			return err
		}
		fmt.Fprintf(d.out, "  %-6s %s\n", o.city, view)
	}
	return nil
}
