package mallee

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
)

// Events are the kinds of events that a journal may hold, and what they do to
// its state. Make it once, in a variable of the package; it is immutable.
type Events[S, E any] struct {
	apply         func(*S, E)
	byType        map[reflect.Type]encoding
	byKind        map[kind]EventKind[E]
	byPrefix      map[string]EventKind[E] // of values that this package has written
	snapshotEvery uint64
	stateVersion  int
}

// EventKind is one kind of event, in one version; see EventOf and Upcast.
type EventKind[E any] struct {
	kind
	encodes reflect.Type // nil for an old version, which is only read
	decode  func(data []byte) (E, error)
}

// kind is how the store names what an event is.
type kind struct {
	name    string
	version int
}

// encoding is how an event of today is written.
type encoding struct {
	kind
	prefix string
}

// prefix is how the value of an event begins, up to its data.
func (k kind) prefix() string {
	name, err := json.Marshal(k.name)
	if err != nil {
		panic(fmt.Sprintf("mallee: event %s: %v", k, err))
	}
	return fmt.Sprintf(`{"event":%s,"version":%d,"data":`, name, k.version)
}

func (k kind) String() string { return fmt.Sprintf("%q version %d", k.name, k.version) }

// NewEvents lists the kinds of events of a journal. Apply changes the state by
// one event: it must do the same each time and cannot refuse, as the event has
// happened. E is mostly an interface that the event types implement. NewEvents
// panics on two kinds with one name and version or one Go type, since that is
// a mistake in the program.
func NewEvents[S, E any](apply func(*S, E), kinds ...EventKind[E]) *Events[S, E] {
	e := &Events[S, E]{apply: apply, byType: make(map[reflect.Type]encoding), byKind: make(map[kind]EventKind[E]), byPrefix: make(map[string]EventKind[E])}
	for _, k := range kinds {
		if k.name == "" || k.version < 1 {
			panic(fmt.Sprintf("mallee: event %s: a kind has a name and a version of at least 1", k.kind))
		}
		if _, twice := e.byKind[k.kind]; twice {
			panic(fmt.Sprintf("mallee: event %s is given twice", k.kind))
		}
		e.byKind[k.kind] = k
		e.byPrefix[k.prefix()] = k
		if k.encodes == nil {
			continue
		}
		if other, twice := e.byType[k.encodes]; twice {
			panic(fmt.Sprintf("mallee: %v is event %s and %s", k.encodes, other.kind, k.kind))
		}
		e.byType[k.encodes] = encoding{k.kind, k.prefix()}
	}
	return e
}

// EventOf makes T the Go type of an event, stored in JSON under the name and
// version. Change neither once there is data; when T changes so that old data
// does not fit it, count the version up and give the old one to Upcast.
func EventOf[T, E any](name string, version int) EventKind[E] {
	var zero T
	if _, ok := any(zero).(E); !ok {
		panic(fmt.Sprintf("mallee: %v is no %v", reflect.TypeFor[T](), reflect.TypeFor[E]()))
	}
	return EventKind[E]{kind{name, version}, reflect.TypeFor[T](), func(data []byte) (event E, err error) {
		var t T
		if err := json.Unmarshal(data, &t); err != nil {
			return event, err
		}
		return any(t).(E), nil
	}}
}

// Upcast reads an old version of an event, of type Old, as one of today.
func Upcast[Old, E any](name string, version int, convert func(Old) E) EventKind[E] {
	return EventKind[E]{kind{name, version}, nil, func(data []byte) (event E, err error) {
		var old Old
		if err := json.Unmarshal(data, &old); err != nil {
			return event, err
		}
		return convert(old), nil
	}}
}

// Snapshots is a copy of the events whose journals keep a snapshot of their
// state, in JSON, every so many events: an activation replays only what came
// after it. Count the version, from 1, up whenever S changes so that an old
// snapshot does not fit it, or apply does: old snapshots are then ignored.
func (e *Events[S, E]) Snapshots(every, version int) *Events[S, E] {
	if every < 1 || version < 1 {
		panic(fmt.Sprintf("mallee: a snapshot every %d events of state version %d: both are at least 1", every, version))
	}
	with := *e
	with.snapshotEvery, with.stateVersion = uint64(every), version
	return &with
}

func (e *Events[S, E]) snapshotDue(last, sequence uint64) bool {
	return e.snapshotEvery > 0 && sequence-last >= e.snapshotEvery
}

// storedEvent is the value of an event's row.
type storedEvent struct {
	Event   string          `json:"event"`
	Version int             `json:"version"`
	Data    json.RawMessage `json:"data"`
}

func (e *Events[S, E]) encode(event E) ([]byte, error) {
	to, ok := e.byType[reflect.TypeOf(event)]
	if !ok {
		return nil, fmt.Errorf("%T was not given to NewEvents", event)
	}
	data, err := json.Marshal(event)
	if err != nil {
		return nil, fmt.Errorf("encode event %s: %w", to.kind, err)
	}
	value := make([]byte, 0, len(to.prefix)+len(data)+1)
	value = append(value, to.prefix...)
	value = append(value, data...)
	return append(value, '}'), nil
}

func (e *Events[S, E]) decode(value []byte) (event E, err error) {
	if event, ok := e.decodeOwn(value); ok {
		return event, nil
	}
	var stored storedEvent
	if err := json.Unmarshal(value, &stored); err != nil {
		return event, err
	}
	name := kind{stored.Event, stored.Version}
	k, ok := e.byKind[name]
	switch {
	case !ok:
		return event, fmt.Errorf("this program does not know %s: run a version that does, or give NewEvents an Upcast for it", name)
	case stored.Data == nil:
		return event, errors.New("it has no data")
	}
	if event, err = k.decode(stored.Data); err != nil {
		return event, fmt.Errorf("decode %s: %w", name, err)
	}
	return event, nil
}

// decodeOwn decodes a value that stands as encode has written it, which saves
// reading it twice. A store may have spelled it anew.
func (e *Events[S, E]) decodeOwn(value []byte) (event E, ok bool) {
	const mark = `"data":`
	at := bytes.Index(value, []byte(mark)) + len(mark)
	if at < len(mark) || value[len(value)-1] != '}' {
		return event, false
	}
	k, ok := e.byPrefix[string(value[:at])]
	if !ok {
		return event, false
	}
	event, err := k.decode(value[at : len(value)-1])
	return event, err == nil
}
