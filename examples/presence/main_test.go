package main

import (
	"strings"
	"testing"
)

func TestDay(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if err := run(t.Context(), &out); err != nil {
		t.Error(err)
	}
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &out, want)
	}
}

const want = `Ann comes in Oslo, Bob in Lima, Eve and Joe in Cairo.
  Oslo   online: Ann, Bob, Eve, Joe; visits: 4; talk: ; for lunch: 0 of 3
  Lima   online: Ann, Bob, Eve, Joe; visits: 4; talk: ; for lunch: 0 of 3
  Cairo  online: Ann, Bob, Eve, Joe; visits: 4; talk: ; for lunch: 0 of 3
They talk, and Ann more than the others; Joe leaves, and Oslo notes it.
  Oslo   online: Ann, Bob, Eve; visits: 4; talk: Ann 3, Bob 1, Eve 1; for lunch: 0 of 3
  Lima   online: Ann, Bob, Eve; visits: 4; talk: Ann 3, Bob 1, Eve 1; for lunch: 0 of 3
  Cairo  online: Ann, Bob, Eve; visits: 4; talk: Ann 3, Bob 1, Eve 1; for lunch: 0 of 3
Oslo and Lima vote for lunch.
  Oslo   online: Ann, Bob, Eve; visits: 4; talk: Ann 3, Bob 1, Eve 1; for lunch: 2 of 3
  Lima   online: Ann, Bob, Eve; visits: 4; talk: Ann 3, Bob 1, Eve 1; for lunch: 2 of 3
  Cairo  online: Ann, Bob, Eve; visits: 4; talk: Ann 3, Bob 1, Eve 1; for lunch: 2 of 3
A host, wherever it lives, welcomes Kim.
  "Welcome Kim! 3 are online, and you."
  Oslo   online: Ann, Bob, Eve, Kim; visits: 4; talk: Ann 3, Bob 1, Eve 1; for lunch: 2 of 3
  Lima   online: Ann, Bob, Eve, Kim; visits: 4; talk: Ann 3, Bob 1, Eve 1; for lunch: 2 of 3
  Cairo  online: Ann, Bob, Eve, Kim; visits: 4; talk: Ann 3, Bob 1, Eve 1; for lunch: 2 of 3
Oslo closes: Ann leaves, and its vote does not count any more.
  Lima   online: Bob, Eve, Kim; visits: 4; talk: Ann 3, Bob 1, Eve 1; for lunch: 1 of 2
  Cairo  online: Bob, Eve, Kim; visits: 4; talk: Ann 3, Bob 1, Eve 1; for lunch: 1 of 2
`
