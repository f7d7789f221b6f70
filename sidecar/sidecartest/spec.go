package sidecartest

import (
	"runtime"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/internal/gen/tckpb/tckaction"
	"github.com/mallee-io/mallee/internal/gen/tckpb/tckcrdt"
	"github.com/mallee-io/mallee/internal/gen/tckpb/tckevents"
	"github.com/mallee-io/mallee/internal/gen/tckpb/tcklog"
	"github.com/mallee-io/mallee/internal/gen/tckpb/tckvalue"
)

// Types of entities.
const (
	typeAction       = "cloudstate.action.ActionProtocol"
	typeEventSourced = "cloudstate.eventsourced.EventSourced"
	typeValueEntity  = "cloudstate.valueentity.ValueEntity"
	typeCRDT         = "cloudstate.crdt.Crdt"
	typeFunction     = "cloudstate.function.StatelessFunction"
)

// The models.
const (
	actionModel = "cloudstate.tck.model.action.ActionTckModel"
	actionTwo   = "cloudstate.tck.model.action.ActionTwo"

	valueModel      = "cloudstate.tck.model.valueentity.ValueEntityTckModel"
	valueTwo        = "cloudstate.tck.model.valueentity.ValueEntityTwo"
	valueConfigured = "cloudstate.tck.model.valueentity.ValueEntityConfigured"

	eventsModel      = "cloudstate.tck.model.EventSourcedTckModel"
	eventsTwo        = "cloudstate.tck.model.EventSourcedTwo"
	eventsConfigured = "cloudstate.tck.model.EventSourcedConfigured"

	crdtModel      = "cloudstate.tck.model.crdt.CrdtTckModel"
	crdtTwo        = "cloudstate.tck.model.crdt.CrdtTwo"
	crdtConfigured = "cloudstate.tck.model.crdt.CrdtConfigured"

	logSubscriber = "cloudstate.tck.model.eventlogeventing.EventLogSubscriberModel"
	logOne        = "cloudstate.tck.model.eventlogeventing.EventSourcedEntityOne"
	logTwo        = "cloudstate.tck.model.eventlogeventing.EventSourcedEntityTwo"
)

// entitySpec declares all models.
func entitySpec() *cloudstatepb.EntitySpec {
	entity := func(kind, service, persistenceID string) *cloudstatepb.Entity {
		return &cloudstatepb.Entity{EntityType: kind, ServiceName: service, PersistenceId: persistenceID}
	}
	return &cloudstatepb.EntitySpec{
		Proto: EncodeFiles(declaredFiles()),
		Entities: []*cloudstatepb.Entity{
			entity(typeAction, actionModel, ""),
			entity(typeAction, actionTwo, ""),
			entity(typeValueEntity, valueModel, "value-entity-tck-model"),
			entity(typeValueEntity, valueTwo, "value-entity-tck-model-two"),
			endingSoon(entity(typeValueEntity, valueConfigured, "value-entity-configured")),
			entity(typeEventSourced, eventsModel, "event-sourced-tck-model"),
			entity(typeEventSourced, eventsTwo, "event-sourced-tck-model-two"),
			endingSoon(entity(typeEventSourced, eventsConfigured, "event-sourced-configured")),
			entity(typeCRDT, crdtModel, "crdt-tck-model"),
			entity(typeCRDT, crdtTwo, "crdt-tck-model-two"),
			endingSoon(entity(typeCRDT, crdtConfigured, "crdt-configured")),
			entity(typeAction, logSubscriber, ""),
			entity(typeEventSourced, logOne, "eventlogeventing-one"),
			entity(typeEventSourced, logTwo, "eventlogeventing-two"),
		},
		ServiceInfo: &cloudstatepb.ServiceInfo{
			ServiceName:           "sidecartest",
			ServiceVersion:        "1",
			ServiceRuntime:        runtime.Version(),
			SupportLibraryName:    "mallee-sidecartest",
			SupportLibraryVersion: "1",
			ProtocolMajorVersion:  0,
			ProtocolMinorVersion:  2,
		},
	}
}

// endingSoon lets the sidecar end an entity when it had no command for 100 ms.
func endingSoon(e *cloudstatepb.Entity) *cloudstatepb.Entity {
	e.PassivationStrategy = &cloudstatepb.EntityPassivationStrategy{
		Strategy: &cloudstatepb.EntityPassivationStrategy_Timeout{
			Timeout: &cloudstatepb.TimeoutPassivationStrategy{Timeout: 100},
		},
	}
	return e
}

// declaredFiles are the files of the models, each after those that it imports.
func declaredFiles() []*descriptorpb.FileDescriptorProto {
	var (
		files []*descriptorpb.FileDescriptorProto
		seen  = map[string]bool{}
		add   func(protoreflect.FileDescriptor)
	)
	add = func(f protoreflect.FileDescriptor) {
		if seen[f.Path()] {
			return
		}
		seen[f.Path()] = true
		for i := range f.Imports().Len() {
			add(f.Imports().Get(i).FileDescriptor)
		}
		files = append(files, protodesc.ToFileDescriptorProto(f))
	}
	add(tckaction.File_sidecartest_action_proto)
	add(tckvalue.File_sidecartest_valueentity_proto)
	add(tckevents.File_sidecartest_eventsourced_proto)
	add(tckcrdt.File_sidecartest_crdt_proto)
	add(tcklog.File_sidecartest_eventlogeventing_proto)
	return files
}

// EncodeFiles makes a descriptor set as an EntitySpec carries it.
func EncodeFiles(files []*descriptorpb.FileDescriptorProto) []byte {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(&descriptorpb.FileDescriptorSet{File: files})
	if err != nil {
		panic(err) // never: the files are valid, or those of a test
	}
	return b
}

// DecodeFiles is the other side of EncodeFiles.
func DecodeFiles(b []byte) []*descriptorpb.FileDescriptorProto {
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(b, &set); err != nil {
		panic(err) // never: EncodeFiles has made it
	}
	return set.File
}
