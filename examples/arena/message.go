package arena

import (
	"encoding/json"
	"math"

	"github.com/mallee-io/mallee"
)

// Request is what a client says: one of its fields is set.
type Request struct {
	Enter *Entry `json:"enter,omitempty"` // which field to fly in
	Steer *Steer `json:"steer,omitempty"` // at least once in a second, so that the field knows that somebody is there
	Hall  bool   `json:"hall,omitempty"`  // asks for the hall of fame
}

// Entry is how a pilot wants to fly.
type Entry struct {
	Field string `json:"field"`
	Hue   int    `json:"hue"`
}

// Report is what a client is told: one of its fields is set.
type Report struct {
	You   *You       `json:"you,omitempty"`
	Field *FieldView `json:"field,omitempty"`
	Frame *Frame     `json:"frame,omitempty"`
	Hall  *HallView  `json:"hall,omitempty"`
}

// You tells a client of its pilot.
type You struct {
	Pilot  string `json:"pilot"`
	Points int    `json:"points"` // of all its games
	Place  Place  `json:"place"`
	Again  bool   `json:"again"` // the session was there before: the pilot has moved, or the client has come back
}

// Place is where an actor lives. Its life has another number after each move.
type Place struct {
	Node string `json:"node"`
	Life uint64 `json:"life"`
}

// HallView tells who is best, and how many fly.
type HallView struct {
	Best   []Standing `json:"best"`
	Online int        `json:"online"` // in all fields
}

// FieldView tells who is in a field. It comes when that changes.
type FieldView struct {
	Name   string     `json:"name"`
	Place  Place      `json:"place"`
	Width  float64    `json:"width"`
	Height float64    `json:"height"`
	Ships  []ShipView `json:"ships"`
}

// ShipView is what does not change of a ship.
type ShipView struct {
	ID    uint32 `json:"id"`
	Name  string `json:"name"`
	Hue   int    `json:"hue"`
	Drone bool   `json:"drone,omitempty"`
}

// Frame is a tick of a field. Its rows are arrays, since it goes to everybody
// twenty times in a second.
type Frame struct {
	Tick   uint64   `json:"t"`
	Ships  [][7]int `json:"s"`           // id, x, y, angle in degrees, energy (0: away), score, 1 with a shield
	Seeds  [][3]int `json:"e"`           // id, x, y
	Bolts  [][4]int `json:"b"`           // id, x, y, hue
	Events [][4]any `json:"x,omitempty"` // kind, x, y, hue
}

// frame shows the world and what has just happened in it.
func (w *World) frame(events []Event) *Frame {
	f := &Frame{Tick: w.Tick, Ships: [][7]int{}, Seeds: [][3]int{}, Bolts: [][4]int{}}
	for _, key := range w.keys() {
		s := w.Ships[key]
		row := [7]int{int(s.ID), int(s.X), int(s.Y), int(s.Angle * 180 / math.Pi), s.Energy, s.Score, 0}
		if s.Away > w.Tick {
			row[4] = 0
		}
		if s.Shield > w.Tick {
			row[6] = 1
		}
		f.Ships = append(f.Ships, row)
	}
	for _, e := range w.Seeds {
		f.Seeds = append(f.Seeds, [3]int{int(e.ID), int(e.X), int(e.Y)})
	}
	for _, b := range w.Bolts {
		f.Bolts = append(f.Bolts, [4]int{int(b.ID), int(b.X), int(b.Y), b.Hue})
	}
	for _, e := range events {
		f.Events = append(f.Events, [4]any{e.Kind, int(e.X), int(e.Y), e.Hue})
	}
	return f
}

// message is the report as it goes to clients.
func (r *Report) message() (mallee.Message, error) {
	text, err := json.Marshal(r)
	return mallee.Message{Text: true, Data: text}, err
}
