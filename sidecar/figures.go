package sidecar

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/mallee-io/mallee/sidecar/internal/entity"
	"github.com/mallee-io/mallee/sidecar/internal/replicated"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
)

// entityFigures are those of the entities of one service.
type entityFigures struct {
	*entity.Figures
	service *spec.Service
}

var _ prometheus.Collector = entityFigures{}

// Describe tells Prometheus nothing of the figures before they are collected.
func (entityFigures) Describe(chan<- *prometheus.Desc) {}

// Collect reads the figures. Those of event sourced entities have the names that
// Cloudstate's proxy gave them too, so that its dashboards go on.
func (f entityFigures) Collect(out chan<- prometheus.Metric) {
	old := f.service.Kind == spec.EventSourced
	count := func(name, cloudstate, help string, n int64) {
		out <- counted(f.service, name, help, n)
		if old && cloudstate != "" {
			desc := prometheus.NewDesc("cloudstate_eventsourced_"+cloudstate, help, []string{"entity_name"}, nil)
			out <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(n), f.service.PersistenceID)
		}
	}
	received, failed := f.Commands.Load(), f.FailedCommands.Load()
	count("entities_activated_total", "activated_entities_total", "Entities that were activated.", f.Activated.Load())
	count("entities_passivated_total", "passivated_entities_total", "Entities that have ended in good order.", f.Passivated.Load())
	count("entities_failed_total", "failed_entities_total", "Streams of entities that have failed.", f.Failed.Load())
	count("streams_total", "", "Streams of entities that were opened.", f.Streams.Load())
	count("commands_total", "received_commands_total", "Commands to entities.", received)
	count("commands_failed_total", "failed_commands_total", "Commands that ended with a failure.", failed)
	count("commands_completed_total", "completed_commands_total", "Commands that were answered.", max(received-failed, 0))
	count("events_loaded_total", "loaded_events_total", "Events that were read for the user function.", f.LoadedEvents.Load())
	count("snapshots_loaded_total", "loaded_snapshots_total", "Snapshots that were read for the user function.", f.LoadedSnapshots.Load())
	count("rows_written_total", "", "Events, snapshots, states, forwards and effects that were written.", f.WrittenRows.Load())
	count("bytes_written_total", "", "Their bytes.", f.WrittenBytes.Load())
	count("outgoing_total", "", "Forwards and effects of entities that were recorded.", f.Outgoing.Load())
	count("outgoing_again_total", "", "Those that were carried out once more.", f.OutgoingAgain.Load())
	count("outgoing_abandoned_total", "", "Those whose target has refused them for good.", f.OutgoingAbandoned.Load())
}

// counted is one figure of a service.
func counted(s *spec.Service, name, help string, n int64) prometheus.Metric {
	desc := prometheus.NewDesc("mallee_sidecar_"+name, help, []string{"service"}, nil)
	return prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(n), s.Name)
}

// replicatedFigures are those of the replicated entities of one service, on this
// node.
type replicatedFigures struct {
	*replicated.Figures
	service *spec.Service
}

var _ prometheus.Collector = replicatedFigures{}

// Describe tells Prometheus nothing, as that of other entities does.
func (replicatedFigures) Describe(chan<- *prometheus.Desc) {}

// Collect reads the figures. What other entities have too has the same names.
func (f replicatedFigures) Collect(out chan<- prometheus.Metric) {
	count := func(name, help string, n int64) { out <- counted(f.service, name, help, n) }
	received, failed := f.Commands.Load(), f.FailedCommands.Load()
	count("entities_activated_total", "Entities that were activated.", f.Activated.Load())
	count("entities_passivated_total", "Entities that have ended in good order.", f.Passivated.Load())
	count("entities_failed_total", "Streams of entities that have failed.", f.Failed.Load())
	count("streams_total", "Streams of entities that were opened.", f.Streams.Load())
	count("commands_total", "Commands to entities.", received)
	count("commands_failed_total", "Commands that ended with a failure.", failed)
	count("commands_completed_total", "Commands that were answered.", max(received-failed, 0))
	count("replicated_changes_total", "Changes that the user function has made.", f.Changes.Load())
	count("replicated_deltas_total", "Times that it was told of changes of others.", f.Deltas.Load())
	count("replicated_unattained_total", "Changes that have not reached enough nodes in time.", f.Unattained.Load())
	count("replicated_cancels_total", "Streams whose caller has left.", f.Cancels.Load())
}

// metrics serves the figures of a process that serves clients.
func metrics(all ...prometheus.Collector) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	registry.MustRegister(all...)
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}
