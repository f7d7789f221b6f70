package sidecar_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/twmb/franz-go/pkg/kfake"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/actionpb"
	"github.com/mallee-io/mallee/sidecar"
	"github.com/mallee-io/mallee/sidecar/internal/spec"
	"github.com/mallee-io/mallee/sidecar/internal/spec/spectest"
	"github.com/mallee-io/mallee/sidecar/sidecartest"
)

// relay is a user function that publishes what Say gets and hears it by Hear.
type relay struct {
	cloudstatepb.UnimplementedEntityDiscoveryServer
	actionpb.UnimplementedActionProtocolServer
	declared *cloudstatepb.EntitySpec
	heard    chan *actionpb.ActionCommand
}

func (r *relay) Discover(context.Context, *cloudstatepb.ProxyInfo) (*cloudstatepb.EntitySpec, error) {
	return r.declared, nil
}

func (r *relay) HandleUnary(_ context.Context, c *actionpb.ActionCommand) (*actionpb.ActionResponse, error) {
	if c.Name == "Hear" {
		r.heard <- c
		return &actionpb.ActionResponse{}, nil
	}
	return &actionpb.ActionResponse{Response: &actionpb.ActionResponse_Reply{Reply: &cloudstatepb.Reply{Payload: c.Payload}}}, nil
}

func startRelay(t *testing.T) (addr string, r *relay) {
	t.Helper()
	file := spectest.File(t, "relay.proto", `
		syntax = "proto3";
		package relay;
		import "cloudstate/eventing.proto";
		import "google/protobuf/wrappers.proto";
		import "google/protobuf/empty.proto";
		service Relay {
			rpc Say(google.protobuf.StringValue) returns (google.protobuf.StringValue) {
				option (cloudstate.eventing) = {out: {topic: "words"}};
			}
			rpc Hear(google.protobuf.StringValue) returns (google.protobuf.Empty) {
				option (cloudstate.eventing) = {in: {topic: "words"}};
			}
		}`)
	r = &relay{declared: spectest.Spec([]*cloudstatepb.Entity{spectest.Entity(spec.Action, "relay.Relay", "")}, file), heard: make(chan *actionpb.ActionCommand, 16)}
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	cloudstatepb.RegisterEntityDiscoveryServer(s, r)
	actionpb.RegisterActionProtocolServer(s, r)
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	return l.Addr().String(), r
}

// What a method publishes another one consumes, over each of the brokers.
func TestTopics(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]func(t *testing.T) (address string){"nats": beginNATS, "kafka": beginKafka} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			function, r := startRelay(t)
			s := serve(t, function, sidecar.Config{Broker: begin(t)})
			say(t, "http://"+s.Addr()+"/relay.Relay/Say")
			ctx, cancel := context.WithTimeout(t.Context(), sidecartest.Patience)
			defer cancel()
			select {
			case c := <-r.heard:
				want, _ := anypb.New(wrapperspb.String("hello"))
				if !proto.Equal(c.Payload, want) {
					t.Errorf("heard %v", c.Payload)
				}
				attributes := make(map[string]string)
				for _, e := range c.GetMetadata().GetEntries() {
					attributes[e.Key] = e.GetStringValue()
				}
				if attributes["ce-type"] != "google.protobuf.StringValue" || attributes["ce-source"] != "relay.Relay" || attributes["ce-id"] == "" {
					t.Errorf("attributes %v", attributes)
				}
			case <-ctx.Done():
				t.Fatal("nothing was heard")
			}
		})
	}
}

func say(t *testing.T, url string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(`"hello"`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		t.Fatal(answer.Status)
	}
}

func beginNATS(t *testing.T) string {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(sidecartest.Patience) {
		t.Fatal("the server of NATS does not start")
	}
	return s.ClientURL() + "?create=true"
}

func beginKafka(t *testing.T) string {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, "words"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return "kafka://" + strings.Join(c.ListenAddrs(), ",")
}
