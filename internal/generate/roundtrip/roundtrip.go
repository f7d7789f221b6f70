// Package roundtrip has an actor interface that carries every kind of type,
// to test what the generator writes for it.
package roundtrip

import (
	"context"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/internal/generate/roundtrip/other"
)

//go:generate go run github.com/mallee-io/mallee/cmd/mallee generate

// Everything has a method for each kind of type.
//
//mallee:actor
type Everything interface {
	Basics(ctx context.Context, v Basics) (Basics, error)
	Composites(ctx context.Context, v Composites) (Composites, error)
	Special(ctx context.Context, v Special) (Special, error)
	Uncommon(ctx context.Context, v Uncommon) (Uncommon, error)
	// Many has arguments and results side by side.
	Many(ctx context.Context, a int, _ string, items []other.Item, call map[string]*Node) (n int, items2 []other.Item, failure error)
	Unnamed(context.Context, int, string) (int, string, error)
	Variadic(ctx context.Context, words ...string) (joined string, err error)
	Anonymous(ctx context.Context, p struct{ X, Y int }) ([]struct{ Z string }, error)
	//mallee:oneway
	Poke(ctx context.Context, item other.Item) error
	//mallee:readonly
	Look(ctx context.Context) ([]byte, error)
	//mallee:immutable
	Share(ctx context.Context, data []byte) ([]byte, error)
	Embedded
}

// Embedded brings a method of its own.
type Embedded interface {
	Inherited(ctx context.Context, frozen Frozen) (Frozen, error)
}

// Also is a second interface of the same package.
//
//mallee:actor name=roundtrip.Also
type Also interface {
	Echo(ctx context.Context, msg string) (string, error)
}

// Level is a named basic type.
type Level uint8

// Basics has every basic type.
type Basics struct {
	Bool    bool
	Int     int
	Int8    int8
	Int16   int16
	Int32   int32
	Int64   int64
	Uint    uint
	Uint8   uint8
	Uint16  uint16
	Uint32  uint32
	Uint64  uint64
	Float32 float32
	Float64 float64
	C64     complex64
	C128    complex128
	String  string
	Rune    rune
	Level   Level
	Renamed string `mallee:"other_name"`
	Skipped func() `mallee:"-"`
}

type base struct{ ID string }

// Composites has every way to put types together.
type Composites struct {
	base
	other.Item
	Bytes      []byte
	Named      Blob
	Slice      []int
	Nested     [][]string
	Array      [3]int16
	Map        map[string]int
	ByInt      map[int]other.Item
	ByArray    map[[2]int]bool
	Pointer    *int
	ToPointer  **int
	ToSlice    *[]int
	ToMap      *map[string]int
	Tree       *Node
	Forest     Forest
	Pair       other.Pair[string, []int]
	Inline     struct{ A, B int }
	PtrToBytes *[]byte
}

// Blob is a named slice of bytes.
type Blob []byte

// Node is recursive through a pointer, a slice and a map.
type Node struct {
	Value    string
	Next     *Node
	Children []Node
	Index    map[string]*Node
}

// Forest is recursive without a struct.
type Forest map[string]Forest

// Special has types that the generator or the types themselves know how to encode.
type Special struct {
	Time     time.Time
	Duration time.Duration
	Actor    mallee.ID
	Addr     netip.Addr
	URL      url.URL
	URLs     []*url.URL
	Big      big.Int
	BigPtr   *big.Int
	Proto    *structpb.Value
	Protos   []*structpb.Struct
	ToProto  **structpb.Value
	ByAddr   map[netip.Addr]time.Time
}

// Frozen is never copied.
//
//mallee:immutable
type Frozen struct{ Data []byte }

// Uncommon has types that are easily got wrong.
type Uncommon struct {
	Event    Event
	Hash     [4]byte
	PtrHash  *[4]byte
	Levels   []Level
	Guarded  *Guarded
	Apart    other.Apart
	Empty    struct{}
	Empties  []struct{}
	Matrix   [2][]string
	Self     Self
	List     *List[List[string]]
	ByText   map[Color]int
	Labels   other.Labels
	Plan     *other.Plan
	IP       net.IP
	None     [0]int
	Deadline *time.Time
	Message  Message
}

// Event has the marshalers of a field, which know nothing of the other one.
type Event struct {
	time.Time
	Name string
}

// Message has the methods of a protobuf message, which know nothing of the other field.
type Message struct {
	*structpb.Value
	Note string
}

// Guarded has a lock, which must not be copied.
type Guarded struct {
	mu    sync.Mutex `mallee:"-"`
	Names []string
}

// Lock is here so that the lock is used.
func (g *Guarded) Lock() func() {
	g.mu.Lock()
	return g.mu.Unlock
}

// Self is a slice of itself.
type Self []Self

// List is generic and recursive.
type List[T any] struct {
	Value T
	Next  *List[T]
}

// Color has methods on its pointer and its value.
type Color struct{ rgb uint32 }

// NewColor makes one.
func NewColor(rgb uint32) Color { return Color{rgb} }

// MarshalText writes it as in HTML.
func (c Color) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "#%06x", c.rgb), nil }

// UnmarshalText reads what MarshalText wrote.
func (c *Color) UnmarshalText(text []byte) error {
	_, err := fmt.Sscanf(string(text), "#%06x", &c.rgb)
	return err
}

// Wide is larger in memory than on the wire.
type Wide struct {
	A, B, C, D, E, F, G, H []string
	Cache                  [512]int `mallee:"-"`
}

// Bulk carries many values of such types.
//
//mallee:actor
type Bulk interface {
	Wide(ctx context.Context, v []Wide) error
	Pointers(ctx context.Context, v []*Wide) error
	URLs(ctx context.Context, v []url.URL) error
	URLPointers(ctx context.Context, v []*url.URL) error
	IDs(ctx context.Context, v map[string]mallee.ID) error
	Trees(ctx context.Context, v []*Node) error
}
