// WANT: func copyItem2(
// WANT: func encodeItem2(
// WANT: type chatRoomJoinCall struct
// WANT: type chatRoomJoin2Call struct
// WANT: func TType[Actor T](
// WANT: data2 "github.com/mallee-io/mallee/internal/generate/testdata/golden/aside/data"
// WANT: wire2 "github.com/mallee-io/mallee/internal/generate/testdata/golden/aside/wire"
// WANT: slices2 "slices"
// WANT: func (r RoomRef) Say(ctx context.Context, arg1_ int, arg1 int, result bool) (result_ string, err error)
// WANT: func (r RoomRef) Odd(ctx context.Context, 木 int, _x string, err bool, failed []int) (int, error)
// WANT: X木 int `json:"木"`

// Package aside has names that generated ones have to step aside for.
package aside

import (
	"context"

	"github.com/mallee-io/mallee/internal/generate/testdata/golden/aside/data"
	"github.com/mallee-io/mallee/internal/generate/testdata/golden/aside/wire"
)

// Item has functions of its own.
type Item struct{ Tags []string }

func copyItem(i Item) Item { return i }

func min(a, b float64) float64 { return a + b }

func slices() {}

var _, _, _ = copyItem, min, slices

// Chat and ChatRoom run together.
//
//mallee:actor
type Chat interface {
	RoomJoin(ctx context.Context, item Item) error
}

// ChatRoom and Chat run together.
//
//mallee:actor
type ChatRoom interface {
	Join(ctx context.Context, blobs map[string]data.Blob, text wire.Text, few [3]Item) error
}

// Room has parameters with odd names.
//
//mallee:actor
type Room interface {
	Say(ctx context.Context, _ int, arg1 int, result bool) (_ string, err error)
	Odd(_ context.Context, 木 int, _x string, err bool, failed []int) (int, error)
}

// T has the name of a type parameter.
//
//mallee:actor
type T interface {
	Do(ctx context.Context, result []string) (_ []string, _ error)
}
