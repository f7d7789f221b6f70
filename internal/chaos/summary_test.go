package chaos_test

import (
	"encoding/json"
	"testing"

	"github.com/mallee-io/mallee/internal/chaos"
)

const ms = 1_000_000

// One node is killed at 1 s and is back at 4 s; another is drained from 10 s on.
var eventful = &chaos.History{
	Calls: []chaos.Call{
		add(1, 1, 1, 900*ms, 950*ms),
		unknown(add(2, 1, 0, 990*ms, 1100*ms)),
		failed(add(3, 1, 0, 1500*ms, 1600*ms)),
		add(4, 1, 2, 1700*ms, 3500*ms), // the first that is answered again
		add(5, 1, 3, 3600*ms, 3700*ms),
		failed(add(6, 1, 0, 10_500*ms, 10_600*ms)),
	},
	Turns: []chaos.Turn{
		{Process: "node1.1", Actor: counter, Epoch: 1, Op: 1, Begin: 910 * ms, End: 940 * ms},
		{Process: "node2.1", Actor: counter, Epoch: 2, Op: 4, Begin: 3400 * ms, End: 3450 * ms},
		{Process: "node2.1", Actor: counter, Epoch: 2, Op: 5, Begin: 3610 * ms, End: 3650 * ms},
		{Process: "node2.1", Actor: register, Epoch: 2, Op: 7, Begin: 800 * ms, End: 850 * ms}, // was elsewhere
	},
	Faults: []chaos.Injected{
		{Fault: chaos.Fault{Kind: chaos.KillNode, Process: "node1"}, From: 999 * ms, To: 4000 * ms},
		{Fault: chaos.Fault{Kind: chaos.RollNode, Process: "node2"}, From: 10_000 * ms, To: 11_000 * ms},
	},
	Exits: []chaos.Exit{{Process: "node1.1", At: 1000 * ms}, {Process: "node2.1", At: 10_300 * ms}},
}

func TestSummary(t *testing.T) {
	t.Parallel()
	s := chaos.Summarize(eventful, chaos.Verdict{LostAcks: 1, DoubleActivations: 2, Nonlinearizable: 3})
	text, err := json.Marshal(s)
	want := `{"calls":6,"failed":3,"failed_in_drains":1,"lost_acks":1,"double_activations":2,"nonlinearizable":3,` +
		`"failover_ms":{"actors":1,"p50":2500,"p99":2500,"max":2500},"faults":{"kill_node":1,"roll_node":1}}`
	if err != nil || string(text) != want {
		t.Errorf("got  %s, %v\nwant %s", text, err, want)
	}
}

func TestSummaryIsCleanOnlyWithoutGuilt(t *testing.T) {
	t.Parallel()
	for _, s := range []chaos.Summary{{FailedInDrains: 1}, {LostAcks: 1}, {DoubleActivations: 1}, {Nonlinearizable: 1}} {
		if s.Clean() {
			t.Errorf("clean: %+v", s)
		}
	}
	if s := (chaos.Summary{Calls: 9, Failed: 5}); !s.Clean() {
		t.Error("calls may fail while nodes are killed")
	}
}
