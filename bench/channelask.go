package main

import (
	"context"
	"sync"
)

// channelAsk is the floor: a goroutine per actor, a channel into it, and a
// fresh reply channel per call. There is no timeout, supervision or cluster.
type channelAsk struct {
	echoes []chan ask

	mu     sync.Mutex
	byName map[string]chan ask // the least that makes "the first call to a key" mean something
}

type ask struct {
	msg   string
	reply chan string
}

var _ activator = (*channelAsk)(nil)

func (c *channelAsk) Start(_ context.Context, actors int) error {
	c.byName = make(map[string]chan ask)
	for range actors {
		c.echoes = append(c.echoes, startEcho())
	}
	return nil
}

func (c *channelAsk) Caller(context.Context) echo {
	return func(actor int, msg string) (string, error) {
		return askEcho(c.echoes[actor], msg), nil
	}
}

func (c *channelAsk) Activate(_ context.Context, key, msg string) (string, error) {
	c.mu.Lock()
	inbox, ok := c.byName[key]
	if !ok {
		inbox = startEcho()
		c.byName[key] = inbox
	}
	c.mu.Unlock()
	return askEcho(inbox, msg), nil
}

func (c *channelAsk) Stop(context.Context) error {
	for _, inbox := range c.echoes {
		close(inbox)
	}
	for _, inbox := range c.byName {
		close(inbox)
	}
	return nil
}

func startEcho() chan ask {
	inbox := make(chan ask)
	go func() {
		for a := range inbox {
			a.reply <- a.msg
		}
	}()
	return inbox
}

func askEcho(inbox chan<- ask, msg string) string {
	reply := make(chan string, 1)
	inbox <- ask{msg, reply}
	return <-reply
}
