package sidecartest_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/crdtpb"
	"github.com/mallee-io/mallee/sidecar/sidecartest"
)

// A user function that does one thing wrong with replicated entities, and the
// checks that it must not pass, among others.
type breakage struct {
	name  string
	do    func(*crdtpb.CrdtStreamOut)
	fails []int
}

func breakages() []breakage {
	change := func(out *crdtpb.CrdtStreamOut) *crdtpb.CrdtDelta { return out.GetReply().GetStateAction().GetUpdate() }
	return []breakage{
		{"NoChanges", func(out *crdtpb.CrdtStreamOut) {
			if out.GetReply() != nil {
				out.GetReply().StateAction = nil
			}
		}, []int{99, 102, 104, 107, 115, 123, 130, 131, 135, 140, 148, 156, 164, 169, 177}},
		{"NoDeletions", func(out *crdtpb.CrdtStreamOut) {
			if out.GetReply().GetStateAction().GetDelete() != nil {
				out.GetReply().StateAction = nil
			}
		}, []int{104, 112, 120, 128, 137, 145, 153, 161}},
		{"ChangesWhereNoneAre", func(out *crdtpb.CrdtStreamOut) {
			if r := out.GetReply(); r != nil && r.GetStateAction() == nil {
				r.StateAction = &crdtpb.CrdtStateAction{}
			}
		}, []int{98, 106, 114, 122, 139, 147, 155, 163, 165, 170}},
		{"ReverseClock", func(out *crdtpb.CrdtStreamOut) {
			if r := change(out).GetLwwregister(); r != nil {
				r.Clock = crdtpb.CrdtClock_REVERSE
			}
		}, []int{130, 131, 134, 135}},
		{"NoClear", func(out *crdtpb.CrdtStreamOut) {
			if s := change(out).GetOrset(); s != nil {
				s.Cleared = false
			}
			if m := change(out).GetOrmap(); m != nil {
				m.Cleared = false
			}
		}, []int{123, 148}},
		{"AddsWhatItUpdates", func(out *crdtpb.CrdtStreamOut) {
			if m := change(out).GetOrmap(); m != nil {
				m.Added, m.Updated = append(m.Added, m.GetUpdated()...), nil
			}
		}, []int{148, 151, 152}},
		{"OthersVotes", func(out *crdtpb.CrdtStreamOut) {
			if v := change(out).GetVote(); v != nil {
				v.TotalVoters = 1
			}
		}, []int{156, 159}},
		{"NotStreamed", func(out *crdtpb.CrdtStreamOut) {
			if out.GetReply() != nil {
				out.GetReply().Streamed = false
			}
		}, []int{172, 173, 174, 175, 176}},
		{"NoEnd", func(out *crdtpb.CrdtStreamOut) {
			if out.GetStreamedMessage() != nil {
				out.GetStreamedMessage().EndStream = false
			}
		}, []int{173}},
		{"NoChangeOfCancel", func(out *crdtpb.CrdtStreamOut) {
			if out.GetStreamCancelledResponse() != nil {
				out.GetStreamCancelledResponse().StateAction = nil
			}
		}, []int{174, 175}},
		{"Asynchronous", func(out *crdtpb.CrdtStreamOut) {
			for _, e := range append(out.GetReply().GetSideEffects(), out.GetStreamedMessage().GetSideEffects()...) {
				e.Synchronous = false
			}
		}, []int{166, 169, 176}},
		{"Local", func(out *crdtpb.CrdtStreamOut) {
			if a := out.GetReply().GetStateAction(); a != nil {
				a.WriteConsistency = crdtpb.CrdtWriteConsistency_LOCAL
			}
		}, []int{177}},
		{"OtherForward", func(out *crdtpb.CrdtStreamOut) {
			if f := out.GetReply().GetClientAction().GetForward(); f != nil {
				f.CommandName = "Process"
			}
		}, []int{163, 164, 167}},
		{"Restart", func(out *crdtpb.CrdtStreamOut) {
			if f := out.GetReply().GetClientAction().GetFailure(); f != nil {
				f.Restart = true
			}
		}, []int{170, 171}},
	}
}

// breakIt makes the function answer like that.
func (b breakage) breakIt(_ context.Context, _ proto.Message, out []proto.Message) ([]proto.Message, error) {
	for _, m := range out {
		if m, ok := m.(*crdtpb.CrdtStreamOut); ok {
			b.do(m)
		}
	}
	return out, nil
}

const runBroken = "MALLEE_TEST_BROKEN"

// The checks notice what is broken. They are made in a process of its own, since
// they have to fail.
func TestModelsNotice(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestBroken$")
	cmd.Env = append(os.Environ(), runBroken+"=1")
	printed, err := cmd.CombinedOutput()
	if err == nil {
		t.Error("all checks pass")
	}
	for _, b := range breakages() {
		for _, number := range b.fails {
			if !strings.Contains(string(printed), fmt.Sprintf("--- FAIL: TestBroken/%s/Model%d ", b.name, number)) {
				t.Errorf("%s: check %d passes", b.name, number)
			}
		}
	}
	if !strings.Contains(string(printed), "--- FAIL: TestBroken/NotDeclared/Model96 ") {
		t.Error("no check notices that the entities are declared as others")
	}
	if t.Failed() {
		t.Logf("%s", printed)
	}
}

func TestBroken(t *testing.T) {
	if os.Getenv(runBroken) == "" {
		t.Skip("it is for TestModelsNotice, since it fails")
	}
	others := map[int]string{}
	for number := range 96 {
		others[number] = "it is not broken"
	}
	for _, b := range breakages() {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			sidecartest.Models(t, sidecartest.Start(t, sidecartest.Config{Misbehave: b.breakIt}).Addr(), others)
		})
	}
	t.Run("NotDeclared", func(t *testing.T) {
		t.Parallel()
		f := sidecartest.Start(t, sidecartest.Config{Spec: func(spec *cloudstatepb.EntitySpec) {
			for _, e := range spec.GetEntities() {
				e.EntityType, e.PassivationStrategy = "cloudstate.valueentity.ValueEntity", nil
			}
		}})
		sidecartest.Models(t, f.Addr(), others)
	})
}
