package activation

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mallee-io/mallee"
)

// ErrGone answers a call whose activation has ended before the call began:
// the caller finds the next activation.
var ErrGone = mallee.NewError(mallee.CodeUnavailable, "activation has ended").BeforeRun()

// ending is how a caller stops to wait.
type ending struct {
	sentinel *mallee.Error
	context  *doneChannel
	text     string
}

var (
	timedOut = ending{mallee.ErrTimeout, expired, "the deadline passed"}
	gaveUp   = ending{mallee.ErrCanceled, canceled, "the caller gave up"}
	fenced   = ending{mallee.ErrUnavailable, canceled, "the node has lost its lease"}
)

// abandon ends the wait of a caller whose ctx is done. A turn that waits is
// taken out of the line; one that runs goes on, with its context ended.
func (a *Activation) abandon(t *Turn, cause error) {
	how := gaveUp
	if errors.Is(cause, context.DeadlineExceeded) {
		how = timedOut
	}
	a.mu.Lock()
	a.giveUp(t, how)
	a.mu.Unlock()
}

// giveUp is called with mu held.
func (a *Activation) giveUp(t *Turn, how ending) {
	t.end(how.context)
	if t.settled || t.waiter == nil && !t.remote() {
		return
	}
	t.settled = true
	err := how.sentinel.Errorf("%s: %s %s", t.name(), how.text, a.where(t))
	a.count(t, err)
	switch t.place {
	case placeMailbox:
		a.mailbox.remove(t)
		t.place, err = placeEnded, err.BeforeRun()
	case placeNested:
		a.nested.remove(t)
		t.place, err = placeEnded, err.BeforeRun()
	}
	if t.waiter != nil {
		t.answer(err)
	} else {
		go t.abroad.reply(nil, err) // not under the lock
	}
}

// where says what the turn waits for, for the people who read the error.
func (a *Activation) where(t *Turn) string {
	var b strings.Builder
	node := a.table.runtime.config.Node
	if t.place == placeActive {
		fmt.Fprintf(&b, "while it had been running on node %s for %s", node, a.since(t))
		t.describeWait(&b)
		return b.String()
	}
	fmt.Fprintf(&b, "in the mailbox of %s on node %s among %d", a.ID(), node, a.mailbox.n+a.nested.n)
	for other := a.active.head; other != nil; other = other.next {
		fmt.Fprintf(&b, "; %s has been running for %s", other.name(), a.since(other))
		other.describeWait(&b)
	}
	return b.String()
}

func (a *Activation) since(t *Turn) time.Duration {
	return a.table.runtime.clock.lasted(t.began).Round(time.Millisecond)
}

func (t *Turn) describeWait(b *strings.Builder) {
	if t.loan != nil && t.loan.calls > 0 {
		fmt.Fprintf(b, ", waiting in its call to %s.%s", t.loan.waitsFor.id, t.loan.waitsFor.method)
	}
}

// name is the turn as people know it.
func (t *Turn) name() string {
	switch t.kind {
	case kindTick:
		return t.id().String() + " (timer)"
	case kindStart:
		return t.id().String() + " (activation)"
	case kindStop:
		return t.id().String() + " (deactivation)"
	}
	if t.call == nil { // on another node
		return t.id().String()
	}
	return t.id().String() + "." + t.call.Method()
}

func cycleError(t *Turn) *mallee.Error {
	path := []string{t.name()}
	for hop := t.parent; hop != nil; hop = hop.parent {
		path = append(path, hop.id().String())
		if hop.id() == t.id() {
			break
		}
	}
	for i, j := 0, len(path)-1; i < j; i, j = i+1, j-1 {
		path[i], path[j] = path[j], path[i]
	}
	return mallee.ErrCycle.Errorf("%s waits for itself: %s", t.id(), strings.Join(path, " → ")).BeforeRun()
}

func depthError(t *Turn) error {
	return mallee.ErrCycle.Errorf("call chain is more than %d calls deep at %s", maxDepth, t.parent.id()).BeforeRun()
}

func (a *Activation) overloadError() *mallee.Error {
	return mallee.ErrOverloaded.Errorf("mailbox of %s on node %s is full (%d calls wait)", a.ID(), a.table.runtime.config.Node, a.mailbox.n).BeforeRun()
}
