package eventing

import (
	"github.com/prometheus/client_golang/prometheus"
)

var _ prometheus.Collector = (*Eventing)(nil)

// Describe tells Prometheus nothing of the figures before they are collected.
func (e *Eventing) Describe(chan<- *prometheus.Desc) {}

// Collect reads the figures.
func (e *Eventing) Collect(out chan<- prometheus.Metric) {
	deliveries := prometheus.NewDesc("mallee_sidecar_events_total",
		"Events given to consumers, by outcome: handled; refused: answered with a failure, which counts as handled; retried: failed and tried again; aside: given up.",
		[]string{"source", "group", "outcome"}, nil)
	for _, c := range e.consumers {
		for outcome, n := range map[string]int64{
			"handled": c.counts.handled.Load(),
			"refused": c.counts.refused.Load(),
			"retried": c.counts.retried.Load(),
			"aside":   c.counts.aside.Load(),
		} {
			out <- prometheus.MustNewConstMetric(deliveries, prometheus.CounterValue, float64(n), c.from(), c.source.Group, outcome)
		}
	}
	publications := prometheus.NewDesc("mallee_sidecar_published_total", "Replies given to topics, by outcome: stored, failed.", []string{"outcome"}, nil)
	out <- prometheus.MustNewConstMetric(publications, prometheus.CounterValue, float64(e.published.done.Load()), "stored")
	out <- prometheus.MustNewConstMetric(publications, prometheus.CounterValue, float64(e.published.failed.Load()), "failed")
}
