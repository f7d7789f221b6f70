package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/crdt"
	"github.com/mallee-io/mallee/node"
)

// The names of what is replicated.
var (
	onlineID = mallee.ID{Type: "Online", Key: "company"}
	visitsID = mallee.ID{Type: "Visits", Key: "company"}
	talkID   = mallee.ID{Type: "Talk", Key: "company"}
	lunchID  = mallee.ID{Type: "Lunch", Key: "today"}
)

// office is a node, and its copies.
type office struct {
	city string
	node *node.Node

	online *mallee.Replicated[crdt.ORSet[string]]
	visits *mallee.Replicated[crdt.GCounter]
	talk   *mallee.Replicated[crdt.ORMap[string]] // a counter for each who has said something
	lunch  *mallee.Replicated[crdt.Vote]
}

func openOffice(ctx context.Context, city string, c node.Config) (*office, error) {
	c.Name, c.Types, c.Log = city, []mallee.Type{HostType(newHost)}, slog.New(slog.DiscardHandler)
	n, err := node.Start(ctx, c)
	if err != nil {
		return nil, err
	}
	o := &office{
		city: city, node: n,
		online: mallee.NewReplicated[crdt.ORSet[string]](n, onlineID),
		visits: mallee.NewReplicated[crdt.GCounter](n, visitsID),
		talk:   mallee.NewReplicated[crdt.ORMap[string]](n, talkID),
		lunch:  mallee.NewReplicated[crdt.Vote](n, lunchID),
	}
	if err := o.online.Wait(ctx, crdt.Local); err != nil { // it has what the others have
		return nil, errors.Join(err, o.close(ctx))
	}
	return o, nil
}

// closeWithin bounds the end of a node.
const closeWithin = 30 * time.Second

func (o *office) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, closeWithin)
	defer cancel()
	return o.node.Stop(ctx)
}

func (o *office) enter(name string) error {
	_, err := o.visits.Value.Add(1)
	return errors.Join(err, o.online.Value.Add(name))
}

func (o *office) leave(name string) error { return o.online.Value.Remove(name) }

func (o *office) say(name string) error {
	_, err := crdt.At[crdt.GCounter](o.talk.Value, name).Add(1)
	return err
}

// view is what the office sees.
func (o *office) view() (string, error) {
	var online, talk []string
	for name, err := range o.online.Value.All() {
		if err != nil {
			return "", err
		}
		online = append(online, name)
	}
	for name, err := range o.talk.Value.Keys() {
		if err != nil {
			return "", err
		}
		times, err := crdt.At[crdt.GCounter](o.talk.Value, name).Value()
		if err != nil {
			return "", err
		}
		talk = append(talk, fmt.Sprintf("%s %d", name, times))
	}
	visits, err := o.visits.Value.Value()
	if err != nil {
		return "", err
	}
	lunch, err := o.lunch.Value.Tally()
	return fmt.Sprintf("online: %s; visits: %d; talk: %s; for lunch: %d of %d",
		strings.Join(online, ", "), visits, strings.Join(talk, ", "), lunch.For, lunch.Voters), err
}

// sees waits until a vote stands so: who is in the cluster is nobody's change, and
// so nothing that Refresh waits for.
func (o *office) sees(ctx context.Context, want crdt.Tally) error {
	for lunch := range o.lunch.Changes(ctx) {
		if now, err := lunch.Tally(); err != nil || now == want {
			return err
		}
	}
	return ctx.Err()
}
