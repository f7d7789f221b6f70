package placement

import (
	"context"
	"sync"

	"github.com/mallee-io/mallee"
	pb "github.com/mallee-io/mallee/internal/gen/placementpb"
	"github.com/mallee-io/mallee/placement/internal/words"
)

// roster remembers the addresses of the members. An address belongs to one life
// of a node, so it is never wrong, only missing or of no use any more.
type roster struct {
	processes *processes

	mu       sync.Mutex
	addrs    map[NodeID]string
	fetching *fetch // nil: none
}

// fetch is a question for the members; who resolves while one is on its way
// waits for it.
type fetch struct {
	done chan struct{}
	err  error // once done is closed
}

// members asks the placement driver.
func (r *roster) members(ctx context.Context) ([]Member, error) {
	var response *pb.MembersResponse
	err := r.processes.call(ctx, "list the members of the cluster", attemptTimeout, func(ctx context.Context, client pb.PlacementClient) (err error) {
		response, err = client.Members(ctx, &pb.MembersRequest{})
		return err
	})
	if err != nil {
		return nil, err
	}
	all := make([]Member, 0, len(response.Members))
	addrs := make(map[NodeID]string, len(response.Members))
	for _, message := range response.Members {
		m := words.Member(message)
		all = append(all, m)
		addrs[m.ID] = m.Addr
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.addrs = addrs
	return all, nil
}

// resolve is the address of a member. One that is not known may have joined
// just now: then the members are fetched, once for all who ask meanwhile.
func (r *roster) resolve(ctx context.Context, node NodeID) (string, error) {
	fresh := false
	for joined := 0; ; joined++ {
		addr, f, first := r.look(node, fresh)
		switch {
		case addr != "":
			return addr, nil
		case f == nil:
			return "", mallee.ErrUnavailable.Errorf("node %s is not a member of the cluster, or has no address", node).BeforeRun()
		case first:
			_, f.err = r.members(ctx)
			r.end(f)
			if f.err != nil {
				return "", f.err
			}
			fresh = true
			continue
		}
		select {
		case <-f.done:
			// The first may have begun before the node had joined, and each may
			// have ended with the context of who began it.
			fresh = joined > 0 && f.err == nil
		case <-ctx.Done():
			return "", mallee.ErrUnavailable.Errorf("find node %s: no answer in time", node).BeforeRun()
		}
	}
}

// look finds the address, or a fetch to wait for, or begins one. After a fresh
// fetch there is nothing to wait for.
func (r *roster) look(node NodeID, fresh bool) (addr string, f *fetch, first bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if addr = r.addrs[node]; addr != "" || fresh {
		return addr, nil, false
	}
	if r.fetching != nil {
		return "", r.fetching, false
	}
	r.fetching = &fetch{done: make(chan struct{})}
	return "", r.fetching, true
}

func (r *roster) end(f *fetch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fetching = nil
	close(f.done)
}

// drop forgets a member whose lease has ended.
func (r *roster) drop(node NodeID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.addrs, node)
}
