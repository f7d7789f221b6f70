package sidecartest

import (
	"context"
	"fmt"
	"io"
	"slices"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/crdtpb"
	v01 "github.com/mallee-io/mallee/internal/gen/cloudstatepb/crdtpb/v01"
)

// Models checks the user function at target: whether its models do what the
// checks of sidecars build on. Each check is a parallel subtest with the number
// that it has in Cloudstate's conformance tests; those of models that the user
// function does not have are skipped, and so are those in except, which has the
// reasons.
func Models(t *testing.T, target string, except map[int]string) *Tally {
	t.Helper()
	conn := dial(t, target)
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	spec, err := cloudstatepb.NewEntityDiscoveryClient(conn).Discover(ctx, &cloudstatepb.ProxyInfo{
		ProtocolMinorVersion: 2,
		ProxyName:            "sidecartest",
		ProxyVersion:         "1",
		SupportedEntityTypes: []string{typeAction, typeEventSourced, typeValueEntity, typeCRDT},
	}, grpc.WaitForReady(true))
	if err != nil {
		t.Fatal(err)
	}
	tally := &Tally{Skipped: map[int]string{}}
	for _, m := range slices.Concat(actionModels(), valueModels(), eventsModels(), crdtModels()) {
		tally.run(t, "Model", m.number, func(t *testing.T) string {
			why := except[m.number]
			if why == "" {
				why = lacks(spec, m.services)
			}
			if why == "" {
				m.check(&subject{T: t, conn: conn, spec: spec, id: fmt.Sprintf("entity-%d", m.number)})
			}
			return why
		})
	}
	return tally
}

// model is a check of a user function.
type model struct {
	number   int
	services []string // that it needs
	check    func(*subject)
}

// subject is the user function under test.
type subject struct {
	*testing.T
	conn *grpc.ClientConn
	spec *cloudstatepb.EntitySpec
	id   string // of an entity that no other check has
}

// declared is how the user function has declared a service; nil: not at all.
func declared(spec *cloudstatepb.EntitySpec, service string) *cloudstatepb.Entity {
	for _, e := range spec.GetEntities() {
		if e.GetServiceName() == service {
			return e
		}
	}
	return nil
}

// lacks says which of the services the user function has not declared; empty:
// it has all.
func lacks(spec *cloudstatepb.EntitySpec, services []string) string {
	for _, service := range services {
		if declared(spec, service) == nil {
			return "the user function has no " + service
		}
	}
	return ""
}

// isDeclared checks how services are declared; an empty persistence id is any.
func (s *subject) isDeclared(kind, service, persistenceID string) {
	s.Helper()
	e := declared(s.spec, service)
	if e.GetEntityType() != kind || persistenceID != "" && e.GetPersistenceId() != persistenceID {
		s.Errorf("%s is declared as %s", service, short(e))
	}
}

// endsSoon checks that entities of the service end after 100 ms without a
// command.
func (s *subject) endsSoon(service string) {
	s.Helper()
	if timeout := declared(s.spec, service).GetPassivationStrategy().GetTimeout().GetTimeout(); timeout != 100 {
		s.Errorf("%s ends after %d ms", service, timeout)
	}
}

// talk is a stream to the user function.
type talk struct {
	*subject
	method string
	stream grpc.ClientStream
	old    *side01 // nil: it speaks protocol 0.2
}

func (s *subject) talk(method string) *talk {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), Patience)
	s.Cleanup(cancel)
	stream, err := s.conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, method)
	if err != nil {
		s.Fatal(err)
	}
	d := &talk{subject: s, method: method, stream: stream}
	if method == CRDT && isDialect01(s.spec) {
		d.old = new(side01)
	}
	return d
}

func (d *talk) send(ms ...proto.Message) *talk {
	d.Helper()
	for _, m := range ms {
		if d.old != nil {
			m = d.old.oldIn(m.(*crdtpb.CrdtStreamIn))
		}
		if err := d.stream.SendMsg(m); err != nil {
			_, err := d.next()
			d.Fatalf("%s is not taken: %v", short(m), err)
		}
	}
	return d
}

// next is the next message, in protocol 0.2.
func (d *talk) next() (proto.Message, error) {
	if d.old != nil {
		var m v01.CrdtStreamOut
		err := d.stream.RecvMsg(&m)
		return d.old.newOut(&m), err
	}
	_, m := messages(d.method)
	err := d.stream.RecvMsg(m)
	return m, err
}

func (d *talk) receive() proto.Message {
	d.Helper()
	m, err := d.next()
	if err != nil {
		d.Fatalf("no message comes: %v", err)
	}
	return m
}

func (d *talk) expect(want ...proto.Message) *talk {
	d.Helper()
	for _, m := range want {
		if diff := difference(d.receive(), m); diff != "" {
			d.Fatalf("the message %s", diff)
		}
	}
	return d
}

// complete says that there is nothing more to send.
func (d *talk) complete() *talk {
	d.Helper()
	if err := d.stream.CloseSend(); err != nil {
		d.Fatal(err)
	}
	return d
}

// end expects that the user function ends the stream well.
func (d *talk) end() {
	d.Helper()
	if m, err := d.next(); err != io.EOF {
		d.Fatalf("the stream does not end: %s, %v", short(m), err)
	}
}
