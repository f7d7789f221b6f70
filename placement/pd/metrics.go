package pd

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// counts are what this process has done since it started, as the leader of
// whichever terms.
type counts struct {
	answers, grants, releases, moves, reports, lost, renewals atomic.Uint64
}

// metrics shows them to Prometheus, and what this process is just now.
type metrics struct {
	server *Server
	descs  map[string]*prometheus.Desc
}

// docs/operations.md has a line for each of these, and a test compares them.
var _ prometheus.Collector = (*metrics)(nil)

func newMetrics(s *Server) *metrics {
	m := &metrics{server: s, descs: make(map[string]*prometheus.Desc)}
	for name, help := range map[string]string{
		"mallee_pd_leader":              "1 while this process leads the placement driver.",
		"mallee_pd_term":                "Term in which this process leads; 0: it does not.",
		"mallee_pd_nodes":               "Members of the cluster, as the leader knows them.",
		"mallee_pd_silent_nodes":        "Members that have yet to report to this leader.",
		"mallee_pd_grants":              "Actors that are placed on members.",
		"mallee_pd_sessions":            "Members that are connected with this leader.",
		"mallee_pd_answers_total":       "Questions where an actor lives that were answered.",
		"mallee_pd_grants_total":        "Actors that were placed.",
		"mallee_pd_releases_total":      "Grants that members gave back.",
		"mallee_pd_moves_total":         "Actors that members were asked to move.",
		"mallee_pd_reports_total":       "Members that have reported.",
		"mallee_pd_lost_nodes_total":    "Members whose lease has ended, or that have left.",
		"mallee_pd_renewals_total":      "Leases that were renewed through this process.",
		"mallee_pd_etcd_up":             "1 when etcd has just answered.",
		"mallee_pd_etcd_answer_seconds": "Time of the answer of etcd to a read that a majority must confirm.",
	} {
		m.descs[name] = prometheus.NewDesc(name, help, nil, nil)
	}
	return m
}

// Describe lists all figures.
func (m *metrics) Describe(out chan<- *prometheus.Desc) {
	for _, d := range m.descs {
		out <- d
	}
}

// Collect reads all figures, and asks etcd.
func (m *metrics) Collect(out chan<- prometheus.Metric) {
	c := &m.server.counts
	for name, of := range map[string]*atomic.Uint64{
		"answers": &c.answers, "grants": &c.grants, "releases": &c.releases, "moves": &c.moves,
		"reports": &c.reports, "lost_nodes": &c.lost, "renewals": &c.renewals,
	} {
		out <- prometheus.MustNewConstMetric(m.descs["mallee_pd_"+name+"_total"], prometheus.CounterValue, float64(of.Load()))
	}
	gauges := m.server.standing()
	ctx, cancel := context.WithTimeout(m.server.life, readyPatience)
	defer cancel()
	asked := time.Now()
	if _, err := m.server.checkEtcd(ctx); err == nil {
		gauges["etcd_up"] = 1
	}
	gauges["etcd_answer_seconds"] = time.Since(asked).Seconds()
	for name, value := range gauges {
		out <- prometheus.MustNewConstMetric(m.descs["mallee_pd_"+name], prometheus.GaugeValue, value)
	}
}

// standing is what this process is; where it does not lead, it knows nothing of
// members.
func (s *Server) standing() map[string]float64 {
	now := map[string]float64{"leader": 0, "term": 0, "nodes": 0, "silent_nodes": 0, "grants": 0, "sessions": 0, "etcd_up": 0}
	l, _, _ := s.election.now()
	if l == nil {
		return now
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now["leader"], now["term"] = 1, float64(l.term)
	now["nodes"], now["sessions"] = float64(len(l.members)), float64(len(l.sessions))
	now["silent_nodes"] = float64(len(l.directory.Silent()))
	for _, n := range l.directory.Nodes() {
		now["grants"] += float64(n.Actors)
	}
	return now
}
