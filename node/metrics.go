package node

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mallee-io/mallee/internal/activation"
	"github.com/mallee-io/mallee/internal/replicas"
	"github.com/mallee-io/mallee/internal/transport"
)

// metrics shows the node's counters to Prometheus. They are read when they are
// asked for; counting them costs calls next to nothing.
type metrics struct {
	node  *Node
	descs map[string]*prometheus.Desc
}

// figure is one of a node. docs/operations.md has the same, and a test
// compares them.
type figure struct {
	name, help string
	labels     []string
}

func figures() []figure {
	typ := []string{"type"}
	return []figure{
		{"mallee_calls_total", "Calls that activations of this node have ended, by outcome: ok, a code of the framework, or application.", []string{"type", "outcome"}},
		{"mallee_turn_wait_seconds", "Time in mailboxes, of one turn in 64.", typ},
		{"mallee_turn_seconds", "Time from the begin of a turn to its end, its own calls included, of one turn in 64.", typ},
		{"mallee_mailbox_turns", "Turns that wait in mailboxes.", typ},
		{"mallee_mailbox_longest_turns", "Turns that wait in the longest mailbox.", typ},
		{"mallee_active_actors", "Activations that live on this node.", typ},
		{"mallee_activations_total", "Activations that were made.", typ},
		{"mallee_deactivations_total", "Activations that have ended, by reason.", []string{"type", "reason"}},
		{"mallee_deactivation_failures_total", "Errors of OnDeactivate.", nil},
		{"mallee_oneway_lost_total", "One-way calls that no activation could take after theirs had ended.", nil},
		{"mallee_moves_total", "Actors that moved here (in) or to another node (out).", []string{"direction"}},
		{"mallee_stray_actors", "Actors whose calls wait until it is known where they live.", nil},
		{"mallee_remote_calls_sent_total", "Calls to other nodes, each try counted.", nil},
		{"mallee_remote_calls_served_total", "Calls of other nodes.", nil},
		{"mallee_remote_calls_waiting", "Calls that wait for answers of other nodes.", nil},
		{"mallee_location_lookups_total", "Questions to the placement driver where an actor lives.", nil},
		{"mallee_location_repairs_total", "Cached locations that were wrong and were mended by an answer.", nil},
		{"mallee_location_entries", "Cached locations of actors on other nodes.", nil},
		{"mallee_lease_ttl_seconds", "Time after its last renewal at which the lease ends; 0: never.", nil},
		{"mallee_lease_age_seconds", "Time since the last renewal was sent.", nil},
		{"mallee_lease_renewals_total", "Renewals of the lease.", nil},
		{"mallee_lease_renewal_failures_total", "Renewals of the lease that have failed.", nil},
		{"mallee_lease_fencings_total", "Times that the lease was lost and the node ended its activations.", nil},
		{"mallee_replicas_values", "Replicated values of which the node has copies.", nil},
		{"mallee_replicas_deleted_values", "Marks of replicated values that have been deleted.", nil},
		{"mallee_replicas_members", "Nodes that have copies, as far as this one knows.", nil},
		{"mallee_replicas_batches_total", "Batches of changes that were made here (out), once for each other node, that came from others (in), and that were sent again (again).", []string{"direction"}},
		{"mallee_replicas_sent_bytes_total", "Bytes of replicated values sent to other nodes.", nil},
		{"mallee_replicas_transfers_total", "Times that all values of another node were taken in.", nil},
		{"mallee_replicas_retained_bytes", "Bytes of batches that are kept for other nodes and the store.", nil},
		{"mallee_replicas_lag_batches", "Batches that the node lacks which is furthest behind.", nil},
		{"mallee_replicas_unstored_batches", "Batches that are here and not in the store.", nil},
		{"mallee_replicas_waits", "Callers that wait for other nodes or the store.", nil},
		{"mallee_replicas_bad_messages_total", "Messages of other nodes that were lost here (dropped) or make no sense (refused).", []string{"outcome"}},
		{"mallee_replicas_flush_failures_total", "Attempts to bring changes to the store that have failed.", nil},
		{"mallee_replicas_removals_total", "Times that the others have removed this node's replica, and it began anew.", nil},
		{"mallee_transport_connections", "Connections to other nodes.", nil},
		{"mallee_transport_connections_total", "Connections that were made, also again.", nil},
		{"mallee_transport_dial_failures_total", "Dials of other nodes that came to nothing.", nil},
		{"mallee_transport_sent_bytes_total", "Bytes sent to other nodes.", nil},
		{"mallee_transport_received_bytes_total", "Bytes received from other nodes.", nil},
		{"mallee_transport_queued_bytes", "Bytes that wait until other nodes take them.", nil},
	}
}

func newMetrics(n *Node) *metrics {
	m := &metrics{node: n, descs: make(map[string]*prometheus.Desc)}
	for _, f := range figures() {
		m.descs[f.name] = prometheus.NewDesc(f.name, f.help, f.labels, nil)
	}
	return m
}

// Describe lists all figures.
func (m *metrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range m.descs {
		out <- d
	}
}

// Collect reads all figures.
func (m *metrics) Collect(out chan<- prometheus.Metric) {
	for _, f := range m.node.runtime.Figures() {
		m.collectType(out, f)
	}
	n := m.node
	stats := n.runtime.Stats()
	m.count(out, "mallee_deactivation_failures_total", stats.FailedStops)
	m.count(out, "mallee_oneway_lost_total", stats.LostOneWays)
	m.count(out, "mallee_moves_total", n.counts.movesIn.Load(), "in")
	m.count(out, "mallee_moves_total", n.counts.movesOut.Load(), "out")
	m.gauge(out, "mallee_stray_actors", float64(n.strays.queues.Load()))
	m.count(out, "mallee_remote_calls_sent_total", n.counts.sent.Load())
	m.count(out, "mallee_remote_calls_served_total", n.counts.served.Load())
	m.gauge(out, "mallee_remote_calls_waiting", float64(n.remote.count()))
	m.count(out, "mallee_location_lookups_total", n.counts.lookups.Load())
	m.count(out, "mallee_location_repairs_total", n.counts.repairs.Load())
	m.gauge(out, "mallee_location_entries", float64(n.where.count()))
	m.count(out, "mallee_lease_renewals_total", n.counts.renewals.Load())
	m.count(out, "mallee_lease_renewal_failures_total", n.counts.failedRenewals.Load())
	m.count(out, "mallee_lease_fencings_total", n.counts.fencings.Load())
	if l := n.lease.Load(); l != nil {
		m.gauge(out, "mallee_lease_ttl_seconds", l.TTL.Seconds())
		m.gauge(out, "mallee_lease_age_seconds", time.Since(l.sent()).Seconds())
	}
	m.collectReplicas(out, n.replicas.Figures())
	if network, ok := n.config.Network.(interface{ Figures() transport.Figures }); ok {
		m.collectTransport(out, network.Figures())
	}
}

func (m *metrics) collectType(out chan<- prometheus.Metric, f activation.Figures) {
	for outcome, n := range f.Calls {
		m.count(out, "mallee_calls_total", n, f.Type, outcome)
	}
	m.histogram(out, "mallee_turn_wait_seconds", f.Wait, f.Type)
	m.histogram(out, "mallee_turn_seconds", f.Turn, f.Type)
	m.gauge(out, "mallee_mailbox_turns", float64(f.Waiting), f.Type)
	m.gauge(out, "mallee_mailbox_longest_turns", float64(f.Deepest), f.Type)
	m.count(out, "mallee_activations_total", f.Activations, f.Type)
	active := f.Activations
	for reason, n := range f.Deactivations {
		m.count(out, "mallee_deactivations_total", n, f.Type, reason)
		active -= n
	}
	m.gauge(out, "mallee_active_actors", float64(active), f.Type)
}

func (m *metrics) collectReplicas(out chan<- prometheus.Metric, f replicas.Figures) {
	m.gauge(out, "mallee_replicas_values", float64(f.Values))
	m.gauge(out, "mallee_replicas_deleted_values", float64(f.Deleted))
	m.gauge(out, "mallee_replicas_members", float64(f.Members))
	m.count(out, "mallee_replicas_batches_total", int64(f.Sent), "out")
	m.count(out, "mallee_replicas_batches_total", int64(f.Received), "in")
	m.count(out, "mallee_replicas_batches_total", int64(f.Resent), "again")
	m.count(out, "mallee_replicas_sent_bytes_total", int64(f.Bytes))
	m.count(out, "mallee_replicas_transfers_total", int64(f.Transfers))
	m.gauge(out, "mallee_replicas_retained_bytes", float64(f.Retained))
	m.gauge(out, "mallee_replicas_lag_batches", float64(f.Lag))
	m.gauge(out, "mallee_replicas_unstored_batches", float64(f.Unstored))
	m.gauge(out, "mallee_replicas_waits", float64(f.Waits))
	m.count(out, "mallee_replicas_bad_messages_total", f.Dropped, "dropped")
	m.count(out, "mallee_replicas_bad_messages_total", f.Refused, "refused")
	m.count(out, "mallee_replicas_flush_failures_total", f.FailedFlushes)
	m.count(out, "mallee_replicas_removals_total", f.Removals)
}

func (m *metrics) collectTransport(out chan<- prometheus.Metric, f transport.Figures) {
	m.gauge(out, "mallee_transport_connections", float64(f.Connections))
	m.gauge(out, "mallee_transport_queued_bytes", float64(f.Queued))
	m.count(out, "mallee_transport_connections_total", f.Made)
	m.count(out, "mallee_transport_dial_failures_total", f.Failed)
	m.count(out, "mallee_transport_sent_bytes_total", f.Sent)
	m.count(out, "mallee_transport_received_bytes_total", f.Received)
}

func (m *metrics) count(out chan<- prometheus.Metric, name string, n int64, labels ...string) {
	out <- prometheus.MustNewConstMetric(m.descs[name], prometheus.CounterValue, float64(n), labels...)
}

func (m *metrics) gauge(out chan<- prometheus.Metric, name string, v float64, labels ...string) {
	out <- prometheus.MustNewConstMetric(m.descs[name], prometheus.GaugeValue, v, labels...)
}

func (m *metrics) histogram(out chan<- prometheus.Metric, name string, h activation.Histogram, labels ...string) {
	buckets := make(map[float64]uint64, len(h.Buckets)-1)
	var all uint64
	for i, n := range h.Buckets {
		all += n
		if i < len(h.Buckets)-1 {
			buckets[activation.BucketBound(i).Seconds()] = all
		}
	}
	out <- prometheus.MustNewConstHistogram(m.descs[name], all, h.Sum.Seconds(), buckets, labels...)
}

// count is how many calls wait.
func (r *remote) count() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, calls := range r.waiting {
		n += len(calls)
	}
	return n
}

// count is how many entries there are.
func (l *locations) count() int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return len(l.owners)
}
