package game

import (
	"cmp"
	"context"
	"slices"

	"github.com/mallee-io/mallee"
)

// Leaderboard ranks players.
//
//mallee:actor
type Leaderboard interface {
	// Report tells the score of a player.
	//
	//mallee:oneway
	Report(ctx context.Context, player string, score int) error
	// Top lists the best n players, the best one first.
	//
	//mallee:readonly
	Top(ctx context.Context, n int) ([]Entry, error)
}

// Entry is a place on the leaderboard.
type Entry struct {
	Player string
	Score  int
}

type leaderboard struct{ scores map[string]int }

// NewLeaderboard makes an empty leaderboard.
func NewLeaderboard(*mallee.Self) Leaderboard { return &leaderboard{scores: make(map[string]int)} }

func (l *leaderboard) Report(_ context.Context, player string, score int) error {
	l.scores[player] = score
	return nil
}

func (l *leaderboard) Top(_ context.Context, n int) ([]Entry, error) {
	entries := make([]Entry, 0, len(l.scores))
	for player, score := range l.scores {
		entries = append(entries, Entry{player, score})
	}
	slices.SortFunc(entries, func(a, b Entry) int {
		return cmp.Or(b.Score-a.Score, cmp.Compare(a.Player, b.Player))
	})
	return entries[:min(max(n, 0), len(entries))], nil
}
