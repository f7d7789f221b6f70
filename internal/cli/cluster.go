package cli

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/config"
	"github.com/mallee-io/mallee/internal/gen/placementpb"
)

// clusterOptions are the flags of commands that talk to a cluster.
type clusterOptions struct {
	load    func() (*config.Config, error)
	timeout time.Duration
	json    bool
}

const defaultPD = "127.0.0.1:2379"

// askTimeout bounds commands by default.
const askTimeout = 10 * time.Second

// flags also takes those of settings that a command uses beside the addresses
// of the placement drivers and what connections to them need.
func (o *clusterOptions) flags(c *cobra.Command, timeout time.Duration, settings ...string) {
	o.load = configured(c, "", func(name string) bool {
		return name == "pd" || strings.HasPrefix(name, "tls.") || slices.Contains(settings, name)
	})
	c.Flags().Lookup("pd").Usage = "client addresses of the placement drivers (default " + defaultPD + ")"
	c.Flags().DurationVar(&o.timeout, "timeout", timeout, "give up after this time")
	c.Flags().BoolVar(&o.json, "json", false, "print JSON")
}

// settings are those of the command; some placement driver is always named.
func (o *clusterOptions) settings() (*config.Config, *tls.Config, error) {
	s, err := o.load()
	if err != nil {
		return nil, nil, err
	}
	if len(s.PD) == 0 {
		s.PD = []string{defaultPD}
	}
	secure, err := s.TLS.Config()
	if err != nil {
		return nil, nil, &usageError{err}
	}
	return s, secure, nil
}

// ask runs work with a connection to the first process of the placement driver
// that answers: any of them can, since followers forward.
func (o *clusterOptions) ask(ctx context.Context, work func(context.Context, placementpb.AdminClient) error) error {
	s, secure, err := o.settings()
	if err != nil {
		return err
	}
	connect := insecure.NewCredentials()
	if secure != nil {
		connect = credentials.NewTLS(secure)
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	var failed []error
	var said error // by a process that is there: it may know less than the next one
	for _, addr := range s.PD {
		conn, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(connect))
		if err != nil {
			return fmt.Errorf("placement driver %s: %w", addr, err)
		}
		err = work(ctx, placementpb.NewAdminClient(conn))
		_ = conn.Close() // it has served
		if status.Code(err) != codes.Unavailable {
			return sayWhy(err)
		}
		if len(status.Convert(err).Details()) > 0 {
			said = sayWhy(err)
		}
		failed = append(failed, fmt.Errorf("%s: %s", addr, status.Convert(err).Message()))
	}
	if said != nil {
		return said
	}
	return fmt.Errorf("no process of the placement driver answers; is --pd right, and is mallee pd running? %w", errors.Join(failed...))
}

// sayWhy leaves of a gRPC status what is of interest to people.
func sayWhy(err error) error {
	if s, ok := status.FromError(err); ok && err != nil {
		return errors.New(s.Message())
	}
	return err
}

// print writes v as JSON, or as the table that rows fill.
func (o *clusterOptions) print(out io.Writer, v any, rows func(table io.Writer)) error {
	if o.json {
		return json.NewEncoder(out).Encode(v)
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	rows(table)
	return table.Flush()
}

// parseActor reads TYPE/KEY; a key may have slashes.
func parseActor(s string) (mallee.ID, error) {
	actorType, key, ok := strings.Cut(s, "/")
	id := mallee.ID{Type: actorType, Key: key}
	if !ok || id.Validate() != nil {
		return id, &usageError{fmt.Errorf("%q is not the name of an actor: TYPE/KEY, such as Player/1001", s)}
	}
	return id, nil
}
