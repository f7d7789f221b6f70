package local

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mallee-io/mallee/internal/procs"
)

// Cluster is a cluster on this machine. Its methods are safe for concurrent use.
type Cluster struct {
	config               Config
	pds, nodes, gateways []*seat

	mu    sync.Mutex
	lives map[string]int            // how many each process has had
	runs  map[string]*procs.Process // the last life of each
}

// startWithin bounds how long a process may take until it is ready.
const startWithin = time.Minute

// New chooses names and addresses. Nothing runs before StartAll.
func New(config Config) (*Cluster, error) {
	c := &Cluster{config: config, lives: make(map[string]int), runs: make(map[string]*procs.Process)}
	if err := c.takeSeats(); err != nil {
		return nil, err
	}
	return c, nil
}

// StartAll starts all processes and returns when the cluster can be used. Close
// ends what runs, also after an error.
func (c *Cluster) StartAll(ctx context.Context) error {
	// Placement drivers are ready together: a majority has to be there.
	if err := c.startAll(ctx, c.pds); err != nil {
		return err
	}
	if c.config.Gateways > 0 {
		if err := c.writeSecret(); err != nil {
			return err
		}
	}
	return c.startAll(ctx, slices.Concat(c.nodes, c.gateways))
}

func (c *Cluster) startAll(ctx context.Context, seats []*seat) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, s := range seats {
		group.Go(func() error { return c.Start(ctx, s.name) })
	}
	return group.Wait()
}

func (c *Cluster) takeSeats() error {
	addrs, err := procs.FreeAddrs(2*c.config.PDs + c.config.Nodes + 3*c.config.Gateways)
	if err != nil {
		return err
	}
	next := func() (addr string) {
		addr, addrs = addrs[0], addrs[1:]
		return addr
	}
	for n := range c.config.PDs {
		s := &seat{name: PDName(n + 1), listen: next(), peerListen: next()}
		c.pds = append(c.pds, s)
		if s.peerAdvertise, err = c.front(s.name, s.peerListen); err != nil {
			return err
		}
		if s.store, err = c.front(StoreName, s.listen); err != nil {
			return err
		}
	}
	for n := range c.config.Nodes {
		c.nodes = append(c.nodes, &seat{name: NodeName(n + 1), listen: next()})
	}
	for n := range c.config.Gateways {
		s := &seat{name: GatewayName(n + 1), listen: next(), admin: next(), clients: next()}
		c.gateways = append(c.gateways, s)
		if s.advertiseClients, err = c.front(ClientsOf(s.name), s.clients); err != nil {
			return err
		}
	}
	for _, s := range slices.Concat(c.pds, c.nodes, c.gateways) {
		if s.advertise, err = c.front(s.name, s.listen); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) front(process, listen string) (addr string, err error) {
	if c.config.Front == nil {
		return listen, nil
	}
	return c.config.Front(process, listen)
}

// Start starts a process of the cluster that is gone, and returns when it is
// ready. One that runs is left alone.
func (c *Cluster) Start(ctx context.Context, name string) error {
	p, err := c.launch(name)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	return p.Wait(ctx)
}

func (c *Cluster) launch(name string) (*procs.Process, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.runs[name]; p != nil && !p.Ended() {
		return p, nil
	}
	c.lives[name]++
	life := LifeName(name, c.lives[name])
	spec := procs.Spec{Name: name, Dir: c.config.Dir}
	if err := c.describe(&spec, life); err != nil {
		return nil, err
	}
	spec.Exited = func(p *procs.Process, err error) {
		if c.config.Exited != nil {
			c.config.Exited(life, p.Asked(), err)
		}
	}
	p, err := procs.Start(spec)
	if err == nil {
		c.runs[name] = p
	}
	return p, err
}

// describe says what to run.
func (c *Cluster) describe(spec *procs.Spec, life string) error {
	for _, s := range c.pds {
		if s.name == spec.Name {
			spec.Args, spec.Env, spec.Ready = c.pdArgs(s), noSettings(), procs.HTTPReady("http://"+s.listen+"/readyz")
			return nil
		}
	}
	for _, s := range c.nodes {
		if s.name == spec.Name {
			spec.Args, spec.Ready = c.nodeArgs(s, life), procs.SaysReady(Ready)
			return nil
		}
	}
	for _, s := range c.gateways {
		if s.name == spec.Name {
			spec.Args, spec.Env, spec.Ready = c.gatewayArgs(s), noSettings(), procs.HTTPReady("http://"+s.admin+"/readyz")
			return nil
		}
	}
	return fmt.Errorf("the cluster has no process %q", spec.Name)
}

// process is the last life of a process.
func (c *Cluster) process(name string) (*procs.Process, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.runs[name]; p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("process %q was never started", name)
}

// Life is the name of the last life of a process.
func (c *Cluster) Life(name string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return LifeName(name, c.lives[name])
}

// Kill ends a process as a crash would, and returns when it is gone.
func (c *Cluster) Kill(name string) error {
	p, err := c.process(name)
	if err == nil {
		p.Kill()
	}
	return err
}

// Stop asks a process to end in good order, and returns when it is gone.
func (c *Cluster) Stop(ctx context.Context, name string) error {
	p, err := c.process(name)
	if err != nil {
		return err
	}
	return p.Stop(ctx)
}

// Pause keeps a process from running until Resume.
func (c *Cluster) Pause(name string) error {
	p, err := c.process(name)
	if err != nil {
		return err
	}
	return p.Pause()
}

// Resume lets a paused process run on.
func (c *Cluster) Resume(name string) error {
	p, err := c.process(name)
	if err != nil {
		return err
	}
	return p.Resume()
}

// Pids are the processes by their numbers in the system.
func (c *Cluster) Pids() map[int]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	pids := make(map[int]string, len(c.runs))
	for name, p := range c.runs {
		if !p.Ended() {
			pids[p.Pid()] = name
		}
	}
	return pids
}

// Process is one that runs.
type Process struct {
	Name string
	Pid  int
}

// Processes are those that run, by their names.
func (c *Cluster) Processes() (running []Process) {
	for pid, name := range c.Pids() {
		running = append(running, Process{name, pid})
	}
	slices.SortFunc(running, func(a, b Process) int { return strings.Compare(a.Name, b.Name) })
	return running
}

// Close ends all processes as a crash would: what they have to keep is in the
// store. It returns when they are gone.
func (c *Cluster) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	var ending sync.WaitGroup
	for _, p := range c.runs {
		ending.Go(p.Kill)
	}
	ending.Wait()
}
