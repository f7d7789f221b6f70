package chaos

import (
	"math"
	"time"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/chaos/crowd"
	"github.com/mallee-io/mallee/wire/edge"
)

// Time is a moment on the clock that all processes of a run share, in
// nanoseconds. Its origin means nothing.
type Time int64

// never comes after all times.
const never = Time(math.MaxInt64)

func (t Time) since(earlier Time) time.Duration { return time.Duration(t - earlier) }

// History is everything that a run has written down.
type History struct {
	Header
	Calls    []Call
	Faults   []Injected
	Pauses   []Pause
	Exits    []Exit
	Journals map[mallee.ID][]int64 // what each counter has added, at the end
	Copies   []Copy
	Turns    []Turn
	Words    []Word // those of one client in their order
}

// Header says what run it was.
type Header struct {
	Version int           `json:"mallee_history"`
	Seed    uint64        `json:"seed"`
	Lease   time.Duration `json:"lease_ns"` // of nodes
}

// historyVersion is that of both kinds of files. A reader refuses others.
const historyVersion = 1

// Method is what a call asks of an actor.
type Method = crowd.Method

// Methods of the crowd. Arg is what Add and Mark add and what CompareAndSet compares
// with; Write and CompareAndSet set the number of the operation. Result is the
// sum, the value, and for CompareAndSet the value before.
const (
	Add           = crowd.Add
	Get           = crowd.Get
	Write         = crowd.Write
	Read          = crowd.Read
	CompareAndSet = crowd.CompareAndSet
	Mark          = crowd.Mark
)

// Outcome is what the caller knows of a call.
type Outcome string

// Outcomes.
const (
	OK      Outcome = "ok"
	Failed  Outcome = "failed"  // it has certainly not run
	Unknown Outcome = "unknown" // it may have run, may run later, or never
)

// Call is one call of the crowd.
type Call struct {
	Op      int64     `json:"op"` // no other call of the run has this number; the first is 1
	Worker  int       `json:"worker"`
	Relayed bool      `json:"relayed,omitempty"` // called by a relay, for the worker
	Actor   mallee.ID `json:"actor"`
	Method  Method    `json:"method"`
	Arg     int64     `json:"arg,omitempty"`
	Result  int64     `json:"result,omitempty"`
	Invoke  Time      `json:"invoke"`
	Return  Time      `json:"return"`
	Outcome Outcome   `json:"outcome"`
	Error   string    `json:"error,omitempty"`
}

// mutates reports whether the call has changed its actor, if it has run.
func (c *Call) mutates() bool {
	return c.Method == Add || c.Method == Write || c.Method == CompareAndSet && (c.Outcome != OK || c.Result == c.Arg)
}

// Injected is a fault that was done, and undone.
type Injected struct {
	Fault
	From Time `json:"from"`
	To   Time `json:"to"`
}

// Pause is a time in which a process was stopped: soon after From, until To.
type Pause struct {
	Process string `json:"process"`
	From    Time   `json:"from"`
	To      Time   `json:"to"`
}

// Exit is the end of a process. Pauses, exits and turns tell of its lives, whose
// names are those of local.LifeName. Nothing of it ran after At.
type Exit struct {
	Process string `json:"process"`
	At      Time   `json:"at"`
}

// Turn is one turn of an actor.
type Turn struct {
	Process string
	Actor   mallee.ID
	Epoch   uint64
	Op      int64
	Begin   Time
	End     Time // never: nothing tells
}

// Word is what a client has said, or was told. Besides its number and the time
// one field is set.
type Word struct {
	Client  int          `json:"client"`
	At      Time         `json:"at"`
	Said    int64        `json:"said,omitempty"`    // the number of a message for its actor
	Note    *crowd.Note  `json:"note,omitempty"`    // a message for the client
	Lost    *edge.Loss   `json:"lost,omitempty"`    // it knows that it has missed something
	Opened  string       `json:"opened,omitempty"`  // the session of a connection that was opened
	Cut     *edge.Closed `json:"cut,omitempty"`     // the connection was lost
	Settled bool         `json:"settled,omitempty"` // it has got through to its actor, after all faults
	Ended   string       `json:"ended,omitempty"`   // the session has ended
}

// Copy is what a process has at the end of what is replicated under one key, or a part
// of it: its sum, and some of its operations.
type Copy struct {
	Process int     `json:"pid"`
	Key     string  `json:"key"`
	Sum     int64   `json:"sum"`
	Ops     []int64 `json:"ops"`
}

// journalPage is a part of a counter's journal, in its order.
type journalPage struct {
	Actor mallee.ID `json:"actor"`
	Ops   []int64   `json:"ops"`
}
