package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
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

// A wsServer is a contestant to whose WebSockets clients in this process connect.
// On "echo" each gets back what it sends, on "push" all get what one sends.
type wsServer interface {
	contestant
	dial(path string, n int) ([]*wsClient, error)
	residentBytes() (int64, error)
}

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

func (c *wsContestant) dial(path string, n int) ([]*wsClient, error) {
	return dialWS(c.peer.addr+"/"+path, n, bareDialect())
}

func (c *wsContestant) residentBytes() (int64, error) { return c.peer.residentBytes() }

// wsEchoes counts round trips per second of connections with one message
// outstanding each.
func wsEchoes(conns int) bench {
	return bench{
		name: fmt.Sprintf("websocket-echo-%d", conns),
		unit: "echoes/s",
		measure: func(ctx context.Context, c contestant, d time.Duration) (sample, error) {
			clients, err := c.(wsServer).dial("echo", conns)
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
			clients, err := c.(wsServer).dial("push", conns)
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
			got, err := longPerSecond(ctx, d, func() error {
				rounds++
				here.Add(conns)
				if err := clients[0].send(rounds); err != nil {
					return err
				}
				all := make(chan struct{})
				go func() { here.Wait(); close(all) }()
				select {
				case <-all:
					return nil
				case err := <-failed:
					return errors.Join(errEnough, err)
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
			s := c.(wsServer)
			first, err := s.dial("echo", 100) // for what the first ones bring up
			if err != nil {
				return sample{}, err
			}
			before, err := s.residentBytes()
			if err != nil {
				return sample{}, err
			}
			clients, err := s.dial("echo", conns)
			if err != nil {
				return sample{}, err
			}
			for i, client := range clients {
				if err := client.echo(i); err != nil {
					return sample{}, err
				}
			}
			after, err := s.residentBytes()
			runtime.KeepAlive(first) // and clients, which are all open
			runtime.KeepAlive(clients)
			return newSample(float64(after-before) / float64(conns)), err
		},
	}
}
