package local

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/mallee-io/mallee/internal/gen/placementpb"
)

const (
	// askWithin bounds one question to one placement driver.
	askWithin = 10 * time.Second
	// askAgain is the pause between two looks at a drain.
	askAgain = 100 * time.Millisecond
)

// PDs are the names of the placement drivers.
func (c *Cluster) PDs() (names []string) {
	for _, pd := range c.pds {
		names = append(names, pd.name)
	}
	return names
}

// Leader names the placement driver that leads, and waits until one does.
func (c *Cluster) Leader(ctx context.Context) (string, error) {
	for {
		status, err := c.status(ctx)
		for _, p := range status.GetProcesses() {
			if p.GetLeader() {
				return p.GetName(), nil
			}
		}
		select {
		case <-time.After(askAgain):
		case <-ctx.Done():
			return "", fmt.Errorf("no placement driver leads: %w", errors.Join(err, ctx.Err()))
		}
	}
}

// Drain has the placement drivers move a node's actors away, and returns when
// it has none.
func (c *Cluster) Drain(ctx context.Context, node string) error {
	if err := c.tell(ctx, node, placementpb.Command_COMMAND_DRAIN); err != nil {
		return fmt.Errorf("drain %s: %w", node, err)
	}
	for {
		left, err := c.actors(ctx, node)
		if err == nil && left == 0 {
			return nil
		}
		select {
		case <-time.After(askAgain):
		case <-ctx.Done():
			return fmt.Errorf("drain %s: it still has %d actors, %w", node, left, errors.Join(err, ctx.Err()))
		}
	}
}

// Uncordon lets actors come to a node again.
func (c *Cluster) Uncordon(ctx context.Context, node string) error {
	if err := c.tell(ctx, node, placementpb.Command_COMMAND_UNCORDON); err != nil {
		return fmt.Errorf("uncordon %s: %w", node, err)
	}
	return nil
}

func (c *Cluster) tell(ctx context.Context, node string, command placementpb.Command) error {
	return c.ask(ctx, func(ctx context.Context, admin placementpb.AdminClient) error {
		_, err := admin.Tell(ctx, &placementpb.TellRequest{Name: node, Command: command})
		return err
	})
}

// Actors counts those that are placed on nodes.
func (c *Cluster) Actors(ctx context.Context) (int64, error) {
	status, err := c.status(ctx)
	return status.GetActors(), err
}

// actors counts those of a node.
func (c *Cluster) actors(ctx context.Context, node string) (int64, error) {
	status, err := c.status(ctx)
	if err != nil {
		return 0, err
	}
	for _, n := range status.GetNodes() {
		if n.GetMember().GetName() == node {
			return n.GetActors(), nil
		}
	}
	return 0, fmt.Errorf("%s is no member", node)
}

func (c *Cluster) status(ctx context.Context) (status *placementpb.StatusResponse, err error) {
	err = c.ask(ctx, func(ctx context.Context, admin placementpb.AdminClient) (err error) {
		status, err = admin.Status(ctx, &placementpb.StatusRequest{})
		return err
	})
	return status, err
}

// ask asks one placement driver after the other until one answers.
func (c *Cluster) ask(ctx context.Context, question func(context.Context, placementpb.AdminClient) error) error {
	var all error
	for _, pd := range c.pds {
		err := askOne(ctx, pd.listen, question)
		if err == nil {
			return nil
		}
		all = errors.Join(all, fmt.Errorf("%s: %w", pd.name, err))
	}
	return all
}

func askOne(ctx context.Context, addr string, question func(context.Context, placementpb.AdminClient) error) error {
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithNoProxy())
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // can only say that it is closed already
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	return question(ctx, placementpb.NewAdminClient(conn))
}
