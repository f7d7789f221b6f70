package gateway

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/wire/edge"
)

// counts are what the gateway's figures are made of.
type counts struct {
	connections, badUpgrades, refused          atomic.Int64
	opened                                     atomic.Int64
	ended                                      [mallee.DisconnectRebound + 1]atomic.Int64
	received, receivedBytes                    atomic.Int64
	delivered, failed, unsure, held, announced atomic.Int64
	pushed, dropped, lost, strayed             atomic.Int64
	written, writtenBytes, replayed            atomic.Int64
	given, forwarded, shed, badOrders          atomic.Int64
	resumed, taken, restarted, denied          atomic.Int64 // outcomes of resumes
	closes                                     closes
}

// closes counts closed connections by their codes.
type closes struct {
	mu sync.Mutex
	by map[edge.Code]int64
}

func (c *closes) add(code edge.Code) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by == nil {
		c.by = make(map[edge.Code]int64)
	}
	if !known(code) {
		code = 0 // a client may send any
	}
	c.by[code]++
}

// known codes have a figure of their own; the others share one.
func known(code edge.Code) bool { return code >= 1000 && code < 1016 || code >= 4000 && code < 4300 }

var _ prometheus.Collector = (*Gateway)(nil)

// Describe tells Prometheus nothing of the figures before they are collected.
func (g *Gateway) Describe(chan<- *prometheus.Desc) {}

// Collect reads the gateway's figures. The pages of its node have them.
func (g *Gateway) Collect(out chan<- prometheus.Metric) {
	f, c := figures{out}, &g.counts
	connections, _ := g.conns.Count()
	f.gauge("connections", "Connections of clients.", float64(connections))
	f.count("connections_total", "Connections that clients have made.", &c.connections)
	f.count("bad_upgrades_total", "HTTP requests that were no WebSocket, or came from a page that may not connect.", &c.badUpgrades)
	f.count("logins_refused_total", "Logins that were refused.", &c.refused)
	f.closes(&c.closes)
	g.collectSessions(&f)
	f.count("received_messages_total", "Messages of clients.", &c.received)
	f.count("received_bytes_total", "Bytes of frames of clients.", &c.receivedBytes)
	f.count("delivered_messages_total", "Messages that actors have taken.", &c.delivered)
	f.count("failed_messages_total", "Messages whose actor returned an error or panicked.", &c.failed)
	f.count("unsure_messages_total", "Messages of which it is not known whether their actor has seen them.", &c.unsure)
	f.count("held_connections_total", "Times that a client was not read since its queue was full.", &c.held)
	f.count("announcements_total", "Times that an actor was told of a session again.", &c.announced)
	f.count("pushed_messages_total", "Messages of actors, each session counted.", &c.pushed)
	f.count("stray_messages_total", "Messages for sessions that have ended.", &c.strayed)
	f.count("dropped_messages_total", "Messages that were left out since their client was too slow.", &c.dropped)
	f.count("lost_messages_total", "Messages that clients were told to be lost when they came back.", &c.lost)
	f.count("sent_frames_total", "Frames written to clients.", &c.written)
	f.count("sent_bytes_total", "Bytes of frames written to clients.", &c.writtenBytes)
	f.count("replayed_messages_total", "Messages that were written again to clients that came back.", &c.replayed)
	f.count("resumes_total", "Clients that came back, by outcome.", &c.resumed, "outcome", "here")
	f.count("resumes_total", "Clients that came back, by outcome.", &c.taken, "outcome", "other_gateway")
	f.count("resumes_total", "Clients that came back, by outcome.", &c.restarted, "outcome", "new_epoch")
	f.count("resumes_total", "Clients that came back, by outcome.", &c.denied, "outcome", "refused")
	f.count("given_sessions_total", "Sessions that other gateways have taken over.", &c.given)
	f.count("forwarded_orders_total", "Orders passed on to where their session is now.", &c.forwarded)
	f.gauge("routes", "Sessions that have come from other gateways or have gone there, and whose orders may come by another way.", float64(g.moves.routes.Load()))
	f.count("bad_orders_total", "Orders of nodes that could not be read.", &c.badOrders)
	f.gauge("memory_bytes", "Messages kept for clients and actors; one for many clients counts for each.", float64(g.memory.Used()))
	f.gauge("memory_bound_bytes", "Bound of mallee_gateway_memory_bytes.", float64(g.config.MaxMemory))
	f.count("shed_sessions_total", "Sessions that were ended to stay within the bound of memory.", &c.shed)
}

// collectSessions looks at all sessions.
func (g *Gateway) collectSessions(f *figures) {
	var states [ended + 1]int
	var waiting, longest int
	for _, s := range g.sessions.all() {
		s.mu.Lock()
		states[s.state]++
		waiting += s.in.Len()
		longest = max(longest, s.in.Len())
		s.mu.Unlock()
	}
	for i, name := range []string{"opening", "online", "away"} {
		f.gauge("sessions", "Sessions, by state.", float64(states[i]), "state", name)
	}
	f.gauge("queued_messages", "Messages of clients that wait for their actors.", float64(waiting))
	f.gauge("longest_queue_messages", "Messages that wait in the longest queue of a client.", float64(longest))
	f.count("sessions_opened_total", "Sessions that have begun.", &g.counts.opened)
	for r := mallee.DisconnectClosed; r < mallee.DisconnectRebound; r++ {
		f.count("sessions_ended_total", "Sessions that have ended, by reason.", &g.counts.ended[r], "reason", r.String())
	}
}

// figures makes metrics. Labels are names and values.
type figures struct{ out chan<- prometheus.Metric }

func (f *figures) count(name, help string, n *atomic.Int64, labels ...string) {
	f.put(name, help, prometheus.CounterValue, float64(n.Load()), labels)
}

func (f *figures) gauge(name, help string, v float64, labels ...string) {
	f.put(name, help, prometheus.GaugeValue, v, labels)
}

func (f *figures) put(name, help string, kind prometheus.ValueType, v float64, labels []string) {
	var names, values []string
	for i := 0; i < len(labels); i += 2 {
		names, values = append(names, labels[i]), append(values, labels[i+1])
	}
	f.out <- prometheus.MustNewConstMetric(prometheus.NewDesc("mallee_gateway_"+name, help, names, nil), kind, v, values...)
}

func (f *figures) closes(c *closes) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for code, n := range c.by {
		f.put("closed_connections_total", "Connections that have ended, by the code that either side has given; 0: none, or another one.", prometheus.CounterValue, float64(n), []string{"code", strconv.Itoa(int(code))})
	}
}

// Ready returns an error while new clients should go to another gateway. The
// pages of its node ask it.
func (g *Gateway) Ready(context.Context) error {
	switch {
	case g.draining.Load():
		return errors.New("the gateway drains")
	case g.memory.Refuses():
		return errors.New("the gateway is short of memory")
	}
	return nil
}
