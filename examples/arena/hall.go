package arena

import (
	"cmp"
	"context"
	"slices"

	"github.com/mallee-io/mallee"
)

// world is the key of the only hall.
const world = "world"

// Hall is the hall of fame: the pilots with most points.
//
//mallee:actor
type Hall interface {
	// Report takes the points of a pilot.
	//mallee:oneway
	Report(ctx context.Context, s Standing) error
	//mallee:readonly
	Best(ctx context.Context) ([]Standing, error)
}

// Standing of a pilot.
type Standing struct {
	Pilot  string `json:"pilot"`
	Hue    int    `json:"hue"`
	Points int    `json:"points"`
}

// hallSize is how many it remembers.
const hallSize = 5

type hall struct{ best *mallee.State[[]Standing] }

func newHall(self *mallee.Self) Hall {
	return &hall{mallee.NewState[[]Standing](self, "best")}
}

func (h *hall) Report(ctx context.Context, s Standing) error {
	best := slices.DeleteFunc(slices.Clone(h.best.Value), func(b Standing) bool { return b.Pilot == s.Pilot })
	best = append(best, s)
	slices.SortStableFunc(best, func(a, b Standing) int { return cmp.Compare(b.Points, a.Points) })
	best = best[:min(len(best), hallSize)]
	if slices.Equal(best, h.best.Value) {
		return nil
	}
	h.best.Value = best
	return h.best.Save(ctx)
}

func (h *hall) Best(context.Context) ([]Standing, error) { return slices.Clone(h.best.Value), nil }
