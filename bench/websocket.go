package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

func websocketEntrants() []entrant {
	var all []entrant
	for _, name := range []string{"gobwas", "gws", "coder", "nbio"} {
		all = append(all, entrant{name, func() contestant { return &wsContestant{library: name} }})
	}
	return all
}

func websocketBenches() []bench {
	return []bench{
		wsEchoes(100),
		wsFanOut(10_000),
		wsIdleBytes(15_000),
	}
}

// wsMessage is what is sent in each direction.
const wsMessage = 64

// wsContestant is a server of a WebSocket library in a process of its own, and
// clients in this one, which are the same for all libraries.
type wsContestant struct {
	library string
	peer    *peer
}

func (c *wsContestant) Start(ctx context.Context, _ int) (err error) {
	c.peer, err = startPeer(ctx, "websocket", c.library)
	return err
}

func (c *wsContestant) Stop(context.Context) error { return c.peer.stop() }

// wsEchoes counts round trips per second of connections with one message
// outstanding each.
func wsEchoes(conns int) bench {
	return bench{
		name: fmt.Sprintf("websocket-echo-%d", conns),
		unit: "echoes/s",
		measure: func(ctx context.Context, c contestant, d time.Duration) (sample, error) {
			clients, err := dialWS(c.(*wsContestant).peer.addr+"/echo", conns)
			if err != nil {
				return sample{}, err
			}
			return perSecond(ctx, conns, d, func(caller int) func() error {
				return func() error { return clients[caller].echo(caller) }
			})
		},
	}
}

// wsFanOut counts the copies per second of a message that goes to all
// connections, the next one when all have the last.
func wsFanOut(conns int) bench {
	return bench{
		name: fmt.Sprintf("websocket-push-%d", conns),
		unit: "messages/s",
		measure: func(ctx context.Context, c contestant, d time.Duration) (sample, error) {
			clients, err := dialWS(c.(*wsContestant).peer.addr+"/push", conns)
			if err != nil {
				return sample{}, err
			}
			var here sync.WaitGroup
			failed := make(chan error, len(clients))
			for _, client := range clients {
				go func() {
					for {
						if err := client.skip(); err != nil {
							failed <- err
							return
						}
						here.Done()
					}
				}()
			}
			var rounds int
			got, err := perSecond(ctx, 1, d, func(int) func() error {
				return func() error {
					here.Add(conns)
					if err := clients[0].send(rounds); err != nil {
						return err
					}
					all := make(chan struct{})
					go func() { here.Wait(); close(all) }()
					select {
					case <-all:
						rounds++
						return nil
					case err := <-failed:
						return errors.Join(errEnough, err)
					}
				}
			})
			got.Value *= float64(conns)
			return got, err
		},
	}
}

// wsIdleBytes weighs connections that have echoed one message each.
func wsIdleBytes(conns int) bench {
	return bench{
		name: "websocket-idle-bytes",
		unit: "bytes RSS",
		measure: func(_ context.Context, c contestant, _ time.Duration) (sample, error) {
			p := c.(*wsContestant).peer
			if _, err := dialWS(p.addr+"/echo", 100); err != nil { // what the first ones bring up
				return sample{}, err
			}
			before, err := p.residentBytes()
			if err != nil {
				return sample{}, err
			}
			clients, err := dialWS(p.addr+"/echo", conns)
			if err != nil {
				return sample{}, err
			}
			for i, client := range clients {
				if err := client.echo(i); err != nil {
					return sample{}, err
				}
			}
			after, err := p.residentBytes()
			return newSample(float64(after-before) / float64(conns)), err
		},
	}
}
