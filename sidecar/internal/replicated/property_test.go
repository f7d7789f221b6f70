package replicated_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/mallee-io/mallee/crdt"
	"github.com/mallee-io/mallee/internal/gen/cloudstatepb/crdtpb"
	"github.com/mallee-io/mallee/sidecar/internal/replicated"
)

// Whatever happens in whatever order: the user function is never told of a change
// in its own turn, hears of the end of a caller at most once and only of streams
// that it has open, and has at last what the node has; and nobody waits for ever.
func TestUserFunctionHasWhatTheNodeHas(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		kind := crdt.Kind(rapid.IntRange(int(crdt.KindGCounter), int(crdt.KindVote)).Draw(rt, "kind"))
		plan := rapid.SliceOfN(rapid.Custom(drawStep), 1, 60).Draw(rt, "plan")
		var wrong []string
		synctest.Test(t, func(t *testing.T) { wrong = runPlan(t, kind, plan) })
		if len(wrong) > 0 {
			rt.Fatal(strings.Join(wrong, "\n"))
		}
	})
}

// step is what happens next; n says to whom, change what changes, or 0: nothing.
type step struct {
	what   string
	n      int
	change int
}

func drawStep(t *rapid.T) step {
	return step{
		rapid.SampledFrom([]string{
			"do", "do", "watch", "watch", "reply", "reply", "reply", "accept", "accept", "message", "end", "failing end", "leave", "leave", "respond", "respond",
			"elsewhere", "elsewhere", "hear", "hear", "written", "written", "unwritten", "time", "failure", "delete", "delete elsewhere", "illegal", "break", "idle", "member",
		}).Draw(t, "what"),
		rapid.IntRange(0, 5).Draw(t, "n"), rapid.IntRange(0, 11).Draw(t, "change"),
	}
}

// play is a run of a plan.
type play struct {
	*world
	kind    crdt.Kind
	callers []*caller
	heard   map[*rpc]*incarnation
	writes  []*waiting
	wrong   []string
}

// waiting is a write that is not done.
type waiting struct {
	of   *rpc
	done chan error
}

// incarnation is an entity in the user function, on one stream.
type incarnation struct {
	rpc      *rpc
	has      *model
	order    int
	asked    map[int64]int // commands without a reply, and their order
	open     []int64
	canceled map[int64]canceled // without a response
	over     bool
}

type canceled struct {
	order int
	since time.Time
}

// longIdle is longer than it takes to finish.
const longIdle = time.Minute

func runPlan(t *testing.T, kind crdt.Kind, plan []step) []string {
	w := newWorld(t)
	w.service.IdleTimeout = longIdle
	p := &play{world: w, kind: kind, heard: make(map[*rpc]*incarnation)}
	w.here.waits = p.wait
	w.function.answers = p.hears
	for _, s := range plan {
		p.step(s)
		synctest.Wait()
	}
	p.finish()
	w.close()
	return p.wrong
}

func (p *play) wait(ctx context.Context, _ crdt.Consistency) error {
	w := &waiting{p.last(), make(chan error, 1)}
	p.mu.Lock()
	p.writes = append(p.writes, w)
	p.mu.Unlock()
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		p.resolve(w, nil)
		return ctx.Err()
	}
}

// resolve ends a write.
func (p *play) resolve(w *waiting, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.writes, w); i >= 0 {
		p.writes = slices.Delete(p.writes, i, i+1)
		w.done <- err
	}
}

func (p *play) fail(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wrong = append(p.wrong, fmt.Sprintf(format, args...))
}

// hears is the user function.
func (p *play) hears(r *rpc, m any) {
	in := m.(*crdtpb.CrdtStreamIn)
	i := p.heard[r]
	if i == nil {
		i = &incarnation{rpc: r, has: &model{}, asked: make(map[int64]int), canceled: make(map[int64]canceled)}
		p.heard[r] = i
		if in.GetInit() == nil {
			p.fail("the first message is %v", in)
		}
	}
	i.order++
	switch in := in.GetMessage().(type) {
	case *crdtpb.CrdtStreamIn_Init:
		i.has.told(in.Init.Delta)
	case *crdtpb.CrdtStreamIn_Delta:
		p.mineOnly(i)
		before := i.has.String()
		if i.has.told(in.Delta); i.has.String() == before {
			p.fail("a delta changes nothing: %s", deltaText(in.Delta))
		}
	case *crdtpb.CrdtStreamIn_Delete:
		p.mineOnly(i)
		i.over = true
	case *crdtpb.CrdtStreamIn_Command:
		i.asked[in.Command.Id] = i.order
	case *crdtpb.CrdtStreamIn_StreamCancelled:
		at := slices.Index(i.open, in.StreamCancelled.Id)
		if at < 0 {
			p.fail("a cancel of %d, which is not open", in.StreamCancelled.Id)
			return
		}
		i.open = slices.Delete(i.open, at, at+1)
		i.canceled[in.StreamCancelled.Id] = canceled{i.order, time.Now()}
	}
}

// mineOnly checks that it is not the user function's turn.
func (p *play) mineOnly(i *incarnation) {
	p.mu.Lock()
	writes := 0
	for _, w := range p.writes {
		if w.of == i.rpc {
			writes++
		}
	}
	p.mu.Unlock()
	recent := 0
	for _, c := range i.canceled {
		if time.Since(c.since) < replicated.DefaultCancelTimeout {
			recent++
		}
	}
	if len(i.asked) > 0 || recent > 0 || writes > 0 {
		p.fail("told of a change while %d commands, %d cancels and %d writes are not done", len(i.asked), recent, writes)
	}
}

// last is the last stream, or nil.
func (p *play) last() *rpc {
	p.function.mu.Lock()
	defer p.function.mu.Unlock()
	if len(p.function.streams) == 0 {
		return nil
	}
	return p.function.streams[len(p.function.streams)-1]
}

// now is the user function's present incarnation, or nil.
func (p *play) now() *incarnation {
	r := p.last()
	i := p.heard[r]
	if i == nil || i.over {
		return nil
	}
	p.function.mu.Lock()
	defer p.function.mu.Unlock()
	if slices.Contains(r.heard, "half-close") {
		return nil
	}
	return i
}

func (p *play) step(s step) {
	switch s.what {
	case "do":
		p.callers = append(p.callers, p.do("x"))
	case "watch":
		p.callers = append(p.callers, p.watch("x"))
	case "leave":
		if len(p.callers) > 0 {
			p.callers[s.n%len(p.callers)].leave()
		}
	case "elsewhere":
		_ = p.there.Replica(p.name).Change(p.change(s)) // it may be deleted
	case "hear":
		p.here.catchUp()
	case "delete elsewhere":
		if s.n == 0 && s.change == 0 {
			_ = p.there.Replica(p.name).Delete()
		}
	case "member":
		p.cluster.meet(1 + s.n%2)
	case "written", "unwritten":
		p.written(s)
	case "time":
		time.Sleep(time.Duration(s.n) * 700 * time.Millisecond)
	case "idle":
		time.Sleep(longIdle)
	default:
		if i := p.now(); i != nil {
			p.says(i, s)
		}
	}
}

func (p *play) written(s step) {
	p.mu.Lock()
	var w *waiting
	if len(p.writes) > 0 {
		w = p.writes[s.n%len(p.writes)]
	}
	p.mu.Unlock()
	var err error
	if s.what == "unwritten" && s.change < 2 {
		err = errors.New("not reached")
	}
	if w != nil {
		p.resolve(w, err)
	}
}

// says lets the user function speak.
func (p *play) says(i *incarnation, s step) {
	asked := slices.Sorted(maps.Keys(i.asked))
	pending := slices.Sorted(maps.Keys(i.canceled))
	switch {
	case s.what == "illegal" && s.n == 0 && len(asked) > 0:
		i.over = true
		i.rpc.said <- answer{id: asked[0], update: gcounter(1 << 63)}.reply()
	case s.what == "break" && s.n == 0:
		i.over = true
		i.rpc.said <- io.EOF
	case (s.what == "reply" || s.what == "accept" || s.what == "delete" || s.what == "failure") && len(asked) > 0:
		p.reply(i, s, asked[s.n%len(asked)])
	case s.what == "message" && len(i.open) > 0:
		i.rpc.said <- answer{id: i.open[s.n%len(i.open)], text: "m", effects: []string{"e"}}.message()
	case (s.what == "end" || s.what == "failing end") && len(i.open) > 0:
		at := s.n % len(i.open)
		a := answer{id: i.open[at], text: "m", ends: true}
		if s.what == "failing end" {
			a = answer{id: i.open[at], fail: "m"}
		}
		i.open = slices.Delete(i.open, at, at+1)
		i.rpc.said <- a.message()
	case s.what == "respond" && len(pending) > 0:
		a := answer{id: pending[s.n%len(pending)], update: p.update(i, s), level: level(s)}
		i.proves(i.canceled[a.id].order)
		delete(i.canceled, a.id)
		i.rpc.said <- a.response()
	}
}

func (p *play) reply(i *incarnation, s step, id int64) {
	i.proves(i.asked[id])
	delete(i.asked, id)
	if s.what == "failure" {
		i.rpc.said <- answer{id: id, fail: "f"}.failure()
		return
	}
	a := answer{id: id, text: "r", level: level(s)}
	if s.what == "delete" && s.n == 0 && s.change == 0 {
		a.delete, i.over = true, true
	} else {
		a.update = p.update(i, s)
	}
	if s.what == "accept" && i.streams(id) {
		a.streamed = true
		i.open = append(i.open, id)
	}
	i.rpc.said <- a.reply()
}

// streams reports whether a command is of the streamed method.
func (i *incarnation) streams(id int64) bool {
	i.rpc.function.mu.Lock()
	defer i.rpc.function.mu.Unlock()
	return slices.Contains(i.rpc.heard, fmt.Sprintf("command(%d Watch x streamed)", id))
}

// proves: what was heard before has been handled.
func (i *incarnation) proves(order int) {
	maps.DeleteFunc(i.canceled, func(_ int64, c canceled) bool { return c.order < order })
}

// update is a change of the user function's copy, or nil.
func (p *play) update(i *incarnation, s step) *crdtpb.CrdtDelta {
	if s.change == 0 {
		return nil
	}
	d, err := replicated.ProtoOf(p.change(s))
	must(err)
	if r := d.GetLwwregister(); r != nil {
		r.Clock, r.CustomClockValue = crdtpb.CrdtClock(s.n%4), int64(s.change)
	}
	i.has.changed(d)
	return d
}

func level(s step) crdtpb.CrdtWriteConsistency { return crdtpb.CrdtWriteConsistency(s.change % 3) }

func (p *play) change(s step) *crdt.Delta { return changeOf(p.kind, s.n, s.change) }

// changeOf is a change that is possible whatever was before.
func changeOf(kind crdt.Kind, n, change int) *crdt.Delta {
	d := &crdt.Delta{Kind: kind}
	elem := func(n int) string { return replicated.ElementOf(text(fmt.Sprint(n % 4))) }
	switch kind {
	case crdt.KindGCounter:
		d.Increment = uint64(change)
	case crdt.KindPNCounter:
		d.Change = int64(change - 5)
	case crdt.KindGSet:
		d.Added = []string{elem(n)}
	case crdt.KindORSet, crdt.KindORMap:
		d.Cleared = change == 1
		if change%3 == 0 {
			d.Removed = []string{elem(change)}
		}
		if kind == crdt.KindORSet {
			d.Added = []string{elem(n)}
			break
		}
		// A map has under each key its own kind.
		entry := crdt.Entry{Key: elem(n), Delta: changeOf([]crdt.Kind{crdt.KindPNCounter, crdt.KindORSet, crdt.KindVote, crdt.KindRegister}[n%4], change%4, change/2)}
		if change%2 == 0 {
			d.Updated = []crdt.Entry{entry}
		} else {
			d.Inserted = []crdt.Entry{entry}
		}
	case crdt.KindRegister:
		d.Value = elem(change)
	case crdt.KindFlag:
		d.Enabled = true
	case crdt.KindVote:
		d.Self = change%2 == 0
	}
	return d
}

// finish lets everything come to its end, and looks at it.
func (p *play) finish() {
	for range 3 { // what ends may begin something
		for _, c := range p.callers {
			c.leave()
		}
		synctest.Wait()
		for len(p.writes) > 0 {
			p.resolve(p.writes[0], nil)
			synctest.Wait()
		}
		if i := p.now(); i != nil {
			for len(i.asked) > 0 {
				p.says(i, step{what: "reply"})
				synctest.Wait()
			}
			for len(i.open) > 0 {
				p.says(i, step{what: "end"})
				synctest.Wait()
			}
		}
		time.Sleep(replicated.DefaultCancelTimeout + time.Second) // for cancels without a response
	}
	p.here.catchUp()
	synctest.Wait()
	if i := p.now(); i != nil {
		view := modelOf(p.here.view(p.name))
		if got, want := i.has.String(), view.String(); got != want {
			p.fail("the user function has %s, the node %s", got, want)
		}
	}
	for n, c := range p.callers {
		got := c.takes()
		if len(got) == 0 || !isEnd(got[len(got)-1]) {
			p.fail("caller %d waits: it has got %q", n, got)
		}
	}
}

func isEnd(got string) bool {
	return got == "end" || strings.HasPrefix(got, "failed: ") || strings.HasPrefix(got, "refused: ")
}

// model is the copy of a user function, as a library would have it.
type model struct {
	kind   string
	count  int64
	value  string
	on     bool
	votes  int32
	voters int32
	under  map[string]*model // elements of a set; nil: those
}

func (m *model) String() string {
	if m == nil || m.kind == "" {
		return "none"
	}
	var all []string
	for _, key := range slices.Sorted(maps.Keys(m.under)) {
		all = append(all, key+":"+m.under[key].String())
	}
	return fmt.Sprintf("%s(%d %q %v %d/%d %v)", m.kind, m.count, m.value, m.on, m.votes, m.voters, all)
}

// told is a change that the sidecar tells.
func (m *model) told(d *crdtpb.CrdtDelta) {
	if d == nil {
		return
	}
	m.changed(d)
	m.counted(d)
}

// counted takes over what the sidecar counts.
func (m *model) counted(d *crdtpb.CrdtDelta) {
	if v := d.GetVote(); v != nil {
		m.on, m.votes, m.voters = v.SelfVote, v.VotesFor, v.TotalVoters
	}
	for _, e := range append(d.GetOrmap().GetUpdated(), d.GetOrmap().GetAdded()...) {
		if under := m.under[string(e.Key.Value)]; under != nil {
			under.counted(e.Delta)
		}
	}
}

// changed is a change of its own.
func (m *model) changed(d *crdtpb.CrdtDelta) {
	kind := string(d.ProtoReflect().WhichOneof(d.ProtoReflect().Descriptor().Oneofs().Get(0)).Name())
	if m.kind == "" {
		*m = model{kind: kind, under: make(map[string]*model)}
		if d.GetVote() != nil {
			m.voters = 1
		}
	}
	if m.kind != kind {
		panic("the kind changes")
	}
	switch d := d.Delta.(type) {
	case *crdtpb.CrdtDelta_Gcounter:
		m.count += int64(d.Gcounter.Increment)
	case *crdtpb.CrdtDelta_Pncounter:
		m.count += d.Pncounter.Change
	case *crdtpb.CrdtDelta_Gset:
		for _, x := range d.Gset.Added {
			m.under[string(x.Value)] = nil
		}
	case *crdtpb.CrdtDelta_Orset:
		if d.Orset.Cleared {
			clear(m.under)
		}
		for _, x := range d.Orset.Removed {
			delete(m.under, string(x.Value))
		}
		for _, x := range d.Orset.Added {
			m.under[string(x.Value)] = nil
		}
	case *crdtpb.CrdtDelta_Lwwregister:
		m.value = string(d.Lwwregister.Value.GetValue())
	case *crdtpb.CrdtDelta_Flag:
		m.on = m.on || d.Flag.Value
	case *crdtpb.CrdtDelta_Vote:
		if d.Vote.SelfVote != m.on {
			m.on = d.Vote.SelfVote
			m.votes += map[bool]int32{true: 1, false: -1}[m.on]
		}
	case *crdtpb.CrdtDelta_Ormap:
		m.changedMap(d.Ormap)
	}
}

func (m *model) changedMap(d *crdtpb.ORMapDelta) {
	if d.Cleared {
		clear(m.under)
	}
	for _, x := range d.Removed {
		delete(m.under, string(x.Value))
	}
	for _, e := range d.Updated {
		if under := m.under[string(e.Key.Value)]; under != nil {
			under.changed(e.Delta)
		}
	}
	for _, e := range d.Added {
		key := string(e.Key.Value)
		if m.under[key] == nil {
			m.under[key] = &model{}
		}
		m.under[key].changed(e.Delta)
	}
}

// modelOf is what a node has.
func modelOf(v *crdt.View) *model {
	m := &model{}
	if d, err := crdt.Diff(nil, v); err == nil && d != nil {
		p, err := replicated.ProtoOf(d)
		must(err)
		m.told(p)
	}
	return m
}
