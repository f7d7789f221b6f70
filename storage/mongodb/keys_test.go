package mongodb_test

import (
	"cmp"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/mallee-io/mallee/storage"
	"github.com/mallee-io/mallee/storage/mongodb"
)

// text draws much of what is escaped or next to it.
func text() *rapid.Generator[string] {
	return rapid.StringOf(rapid.SampledFrom([]rune{0, 1, 2, 3, 'a', 'b', 0x7f, 0x80, 0xd7ff, 0xe000, 0xffff, utf8.MaxRune}))
}

func TestPairsSortAsTheirTexts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b, c, d := text().Draw(t, "a"), text().Draw(t, "b"), text().Draw(t, "c"), text().Draw(t, "d")
		want := cmp.Or(strings.Compare(a, c), strings.Compare(b, d))
		if got := strings.Compare(mongodb.PairID(a, b), mongodb.PairID(c, d)); got != want {
			t.Fatalf("(%q, %q) and (%q, %q) compare as %d, want %d", a, b, c, d, got, want)
		}
		if (mongodb.PairID(c, d) < mongodb.AfterPairs(a)) != (c <= a) {
			t.Fatalf("(%q, %q) is on the wrong side of those with %q", c, d, a)
		}
		if !utf8.ValidString(mongodb.PairID(a, b)) {
			t.Fatalf("the id of (%q, %q) is not UTF-8", a, b)
		}
	})
}

func TestBounds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := storage.Range{Key1: text().Draw(t, "key1"), Prefix: text().Draw(t, "prefix"), From: text().Draw(t, "from"), To: text().Draw(t, "to")}
		key1, key2 := rapid.OneOf(rapid.Just(r.Key1), text()).Draw(t, "other key1"), r.Prefix+text().Draw(t, "key2")
		lower, upper := mongodb.Bounds(&r)
		id := mongodb.PairID(key1, key2)
		if within, want := lower <= id && id < upper, key1 == r.Key1 && r.Contains(key2); within != want {
			t.Fatalf("%+v has (%q, %q): %v, want %v", r, key1, key2, within, want)
		}
		if !utf8.ValidString(upper) {
			t.Fatalf("%q is not UTF-8", upper)
		}
	})
}

func TestAfter(t *testing.T) {
	t.Parallel()
	for prefix, want := range map[string]string{"a": "b", "\x01\U0010ffff\U0010ffff": "\x02", "a\ud7ff": "a\ue000", "\x7f": "\u0080"} {
		if got := mongodb.After(prefix); got != want {
			t.Errorf("after %q is %q, want %q", prefix, got, want)
		}
	}
}

func TestCollectionNames(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.SampledFrom([]string{"%", ".", "system.", "mallee.", "heads", "_ferretdb_", "$", "\x00", "a", "A", "日本", "YQ"})
		a, b := strings.Join(rapid.SliceOfN(part, 1, 6).Draw(t, "a"), ""), strings.Join(rapid.SliceOfN(part, 1, 6).Draw(t, "b"), "")
		if (mongodb.CollectionName(a) == mongodb.CollectionName(b)) != (a == b) {
			t.Fatalf("%q and %q become %q and %q", a, b, mongodb.CollectionName(a), mongodb.CollectionName(b))
		}
	})
	for table, want := range map[string]string{"state.Player": "state.Player", "日本": "日本", "a$": "%YSQ", "mallee.heads": "%bWFsbGVlLmhlYWRz", "%": "%JQ"} {
		if got := mongodb.CollectionName(table); got != want {
			t.Errorf("%q becomes %q, want %q", table, got, want)
		}
	}
	if longest := mongodb.CollectionName(strings.Repeat("$", storage.MaxTableLength)); len(longest) > 255-64 {
		t.Errorf("a name of %d bytes is too long", len(longest))
	}
}
