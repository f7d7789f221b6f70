package pd_test

import (
	"fmt"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mallee-io/mallee/internal/gen/placementpb"
)

func TestAdmin(t *testing.T) {
	t.Parallel()
	conf := config(t)
	c := dial(t, start(t, conf).Addr())
	ctx := within(t)
	a, b := join(t, c, "a"), join(t, c, "b")
	a.begin(map[string]client{"": c})
	for i := range 30 {
		a.locate(fmt.Sprintf("%02d", i))
	}
	if s, err := c.Status(ctx, &placementpb.StatusRequest{}); err != nil || s.GetActors() != 30 || s.GetCluster() != "mallee" || len(s.GetProcesses()) != 1 || !s.GetProcesses()[0].GetLeader() ||
		len(s.GetNodes()) != 2 || !s.GetNodes()[0].GetConnected() || s.GetNodes()[1].GetConnected() || s.GetNodes()[0].GetLeaseMs() == 0 {
		t.Errorf("%v, %v", s, err)
	}
	var keys []string
	var after *placementpb.Actor
	for more := true; more; {
		page, err := c.Actors(ctx, &placementpb.ActorsRequest{Type: "A", Limit: 7, After: after})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range page.GetActors() {
			after = p.GetGrant().GetActor()
			keys = append(keys, after.GetKey())
		}
		more = page.GetMore()
	}
	if len(keys) != 30 || keys[0] != "00" || keys[29] != "29" {
		t.Errorf("%v", keys)
	}
	if _, err := c.Actors(ctx, &placementpb.ActorsRequest{Limit: 1001}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("a page of 1001: %v", err)
	}
	mine := a.locate("00")
	other := a.id + b.id - mine.GetNode()
	found, err := c.Find(ctx, &placementpb.FindRequest{Actor: actor("00")})
	if err != nil || found.GetPlaced().GetNode() != mine.GetNode() || len(found.GetCandidates()) != 2 || found.GetWhy() == "" {
		t.Errorf("%v, %v", found, err)
	}
	if nowhere, err := c.Find(ctx, &placementpb.FindRequest{Actor: actor("x")}); err != nil || nowhere.GetPlaced() != nil {
		t.Errorf("%v, %v", nowhere, err)
	}
	// b has no session: what is asked of it cannot be told.
	wantCode(t, codes.Unavailable)(c.Tell(ctx, &placementpb.TellRequest{Name: "b", Command: placementpb.Command_COMMAND_DRAIN}))
	wantCode(t, codes.NotFound)(c.Tell(ctx, &placementpb.TellRequest{Name: "c", Command: placementpb.Command_COMMAND_DRAIN}))
	wantCode(t, codes.InvalidArgument)(c.Tell(ctx, &placementpb.TellRequest{Name: "a"}))
	if _, err := c.Tell(ctx, &placementpb.TellRequest{Name: "a", Command: placementpb.Command_COMMAND_CORDON}); err != nil {
		t.Error(err)
	}
	a.until("the command", func(b *placementpb.LeaderBatch) bool { return b.GetCommand() == placementpb.Command_COMMAND_CORDON })
	b.begin(map[string]client{"": c})
	if moved, err := c.Migrate(ctx, &placementpb.MigrateRequest{Actor: actor("00"), To: other}); err != nil || moved.GetPlaced().GetGrant().GetEpoch() != mine.GetEpoch() {
		t.Errorf("%v, %v", moved, err)
	}
	owner := map[uint64]*node{a.id: a, b.id: b}[mine.GetNode()]
	owner.until("the move", func(b *placementpb.LeaderBatch) bool {
		return len(b.GetMoves()) == 1 && b.GetMoves()[0].GetTo() == other && b.GetMoves()[0].GetGrant().GetActor().GetKey() == "00"
	})
	owner.send(&placementpb.NodeBatch{Releases: []*placementpb.Release{{Grant: &placementpb.Grant{Actor: actor("00"), Epoch: mine.GetEpoch()}, To: other}}})
	if g := owner.locate("00"); g.GetNode() != other || g.GetEpoch() <= mine.GetEpoch() {
		t.Errorf("moved to %v", g)
	}
	if _, err := c.Migrate(ctx, &placementpb.MigrateRequest{Actor: actor("00"), To: 99}); status.Code(err) != codes.NotFound {
		t.Errorf("to nobody: %v", err)
	}
}

func wantCode(t *testing.T, want codes.Code) func(any, error) {
	return func(_ any, err error) {
		t.Helper()
		if status.Code(err) != want {
			t.Errorf("%v, want %v", err, want)
		}
	}
}

// Settings outlive the process; a wrong one changes nothing.
func TestSettings(t *testing.T) {
	t.Parallel()
	conf := config(t)
	s := start(t, conf)
	c := dial(t, s.Addr())
	got, err := c.Settings(within(t), &placementpb.SettingsRequest{Set: map[string]string{"settle": "0s", "pace": "7"}})
	if want := "map[pace:7 rebalance:on settle:0s]"; err != nil || fmt.Sprint(got.GetSettings()) != want {
		t.Errorf("%v, %v", got, err)
	}
	for _, wrong := range []map[string]string{{"pace": "8", "speed": "1"}, {"settle": "-1s"}, {"rebalance": "yes"}, {"pace": "0"}} {
		if _, err := c.Settings(within(t), &placementpb.SettingsRequest{Set: wrong}); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%v: %v", wrong, err)
		}
	}
	stop(t, s)
	c = dial(t, start(t, conf).Addr())
	got, err = c.Settings(within(t), &placementpb.SettingsRequest{})
	if want := "map[pace:7 rebalance:on settle:0s]"; err != nil || fmt.Sprint(got.GetSettings()) != want {
		t.Errorf("%v, %v", got, err)
	}
}
