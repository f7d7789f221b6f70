package chaos

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/mallee-io/mallee"
)

// Verdict is what a history is found guilty of. A cluster that keeps its
// promises leaves none.
type Verdict struct {
	LostAcks          int // writes that were acknowledged and are not there
	DoubleActivations int // turns that ran while another activation of the actor lived
	Nonlinearizable   int // actors whose answers no order of their calls explains
	Replicated        Replicated
	Sessions          Sessions
	Findings          []string

	away []time.Duration // that clients were without a connection
}

// maxFindings bounds how many findings of one kind are told.
const maxFindings = 10

func (v *Verdict) find(count *int, format string, args ...any) {
	if *count++; *count <= maxFindings {
		v.Findings = append(v.Findings, fmt.Sprintf(format, args...))
	}
}

// searchTime bounds the search for an order of one actor's calls.
const searchTime = time.Minute

// Check judges a history. An error says that it does not allow a judgement: not
// every actor was read at the end, or the search takes too long.
func Check(h *History) (Verdict, error) {
	var v Verdict
	v.checkTurns(h)
	v.checkSessions(h)
	v.checkCopies(h)
	actors := make(map[mallee.ID][]*Call)
	for i := range h.Calls {
		c := &h.Calls[i]
		if c.Method == Mark {
			continue // see checkCopies
		}
		actors[c.Actor] = append(actors[c.Actor], c)
	}
	byName := func(a, b mallee.ID) int { return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Key, b.Key)) }
	for _, id := range slices.SortedFunc(maps.Keys(actors), byName) {
		if err := v.checkActor(h, id, actors[id]); err != nil {
			return v, fmt.Errorf("actor %s cannot be judged: %w", id, err)
		}
	}
	return v, nil
}

func (v *Verdict) checkActor(h *History, id mallee.ID, calls []*Call) error {
	final, err := lastRead(calls)
	if err != nil {
		return err
	}
	var model porcupine.Model
	var operations []porcupine.Operation
	switch final.Method {
	case Get:
		journal := h.Journals[id]
		v.lostOfCounter(id, calls, journal)
		model, operations = counterModel, counterOperations(calls, journal)
	default:
		v.lostOfRegister(id, calls, final)
		model, operations = registerModel, registerOperations(calls)
	}
	switch porcupine.CheckOperationsTimeout(model, operations, searchTime) {
	case porcupine.Illegal:
		v.find(&v.Nonlinearizable, "%s: no order of its calls explains what they were answered", id)
	case porcupine.Unknown:
		return fmt.Errorf("no order of its %d calls was found in %v", len(operations), searchTime)
	}
	return nil
}

// lastRead is the read at the end of the run.
func lastRead(calls []*Call) (*Call, error) {
	last := slices.MaxFunc(calls, func(a, b *Call) int { return cmp.Compare(a.Invoke, b.Invoke) })
	if last.Outcome != OK || last.mutates() {
		return nil, errors.New("its last call is not a read that was answered")
	}
	for _, c := range calls {
		if c != last && c.Return >= last.Invoke {
			return nil, fmt.Errorf("it was read at the end before operation %d had returned", c.Op)
		}
	}
	return last, nil
}

// lostOfCounter finds additions that the counter's journal does not have.
func (v *Verdict) lostOfCounter(id mallee.ID, calls []*Call, journal []int64) {
	kept := make(map[int64]bool, len(journal))
	for _, op := range journal {
		kept[op] = true
	}
	for _, c := range calls {
		if c.Method == Add && c.Outcome == OK && !kept[c.Op] {
			v.find(&v.LostAcks, "%s: operation %d was acknowledged and is not in the journal", id, c.Op)
		}
	}
}

// lostOfRegister finds writes that began after the one had ended whose value
// the register has at last.
func (v *Verdict) lostOfRegister(id mallee.ID, calls []*Call, final *Call) {
	written := -never // when the value was there for certain
	for _, c := range calls {
		if c.Op == final.Result && c.Outcome == OK {
			written = c.Return
		} else if c.Op == final.Result {
			return // it may have been written at any time
		}
	}
	for _, c := range calls {
		if c.mutates() && c.Outcome == OK && c.Invoke > written {
			v.find(&v.LostAcks, "%s: operation %d was acknowledged, but the register has the older value %d", id, c.Op, final.Result)
		}
	}
}
