package browsertest

import (
	"fmt"
	"testing"
)

// Two people play in two windows and see each other. Then the node is killed
// that has their field: both keep their connections and their points, and play
// on.
func TestPlayOnWhenANodeIsKilled(t *testing.T) {
	demo := startDemo(t)
	browser := newBrowser(t)
	ada := play(t, browser, demo.arena, "ada", 140)
	grace := play(t, browser, demo.arena, "grace", 190)
	ada.await("grace is there", ship("grace")+" !== undefined")

	for _, p := range []*page{ada, grace} {
		p.await("two are online", `document.getElementById("online").textContent === "2 online"`)
	}

	ada.crosses(grace)
	grace.crosses(ada)
	ada.collect(grace)
	grace.collect(ada)
	ada.front()
	ada.hold("Space") // shoots
	ada.screenshot("arena.png")
	ada.hold("")

	session := evaluate[string](ada, `document.getElementById("session-id").textContent`)
	node := evaluate[string](ada, "arena.field.place.node")
	life := evaluate[int](ada, "arena.field.place.life")
	points := evaluate[int](ada, "arena.you.points")
	demo.kill(t, node)
	for _, p := range []*page{ada, grace} {
		p.await("the field lives again", fmt.Sprintf("arena.field.place.life !== %d", life))
	}
	ada.screenshot("arena-moved.png")
	ada.crosses(grace)
	grace.crosses(ada)
	ada.collect(grace)
	grace.collect(ada)

	if now := evaluate[string](ada, "arena.field.place.node"); now == node {
		t.Errorf("the field is still on %s", node)
	}
	if now := evaluate[string](ada, `document.getElementById("session-id").textContent`); now != session {
		t.Errorf("session %s has become %s", session, now)
	}
	if now := evaluate[int](ada, "arena.you.points"); now <= points {
		t.Errorf("%d points have become %d", points, now)
	}
}
