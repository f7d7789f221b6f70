package login

import (
	"fmt"
	"strings"

	"github.com/mallee-io/mallee"
)

// template makes an actor's ID of claims: "Player/{sub}". The type is fixed, so
// that no token chooses it.
type template struct {
	actorType string
	parts     []part // of the key
}

// part is a text and the claim behind it, if there is one.
type part struct{ text, claim string }

func parseTemplate(text string) (template, error) {
	typ, key, ok := strings.Cut(text, "/")
	if !ok {
		key = "{sub}"
	}
	t := template{actorType: typ}
	for rest := key; rest != ""; {
		var p part
		var open, closed bool
		p.text, rest, open = strings.Cut(rest, "{")
		if open {
			p.claim, rest, closed = strings.Cut(rest, "}")
		}
		if open != closed || open && p.claim == "" || strings.Contains(p.text, "}") {
			return t, fmt.Errorf("login: Actor %q: a claim is written as {name}", text)
		}
		t.parts = append(t.parts, p)
	}
	if err := (mallee.ID{Type: typ, Key: key}).Validate(); err != nil || strings.ContainsAny(typ, "{}") {
		return t, fmt.Errorf("login: Actor %q is not an actor type or a type, a slash, and a key", text)
	}
	return t, nil
}

// fill refuses claims that are empty: then many users would be one.
func (t template) fill(claims packet) (mallee.ID, error) {
	var key strings.Builder
	for _, p := range t.parts {
		key.WriteString(p.text)
		if p.claim == "" {
			continue
		}
		value, err := claims.word(p.claim)
		if err != nil {
			return mallee.ID{}, err
		}
		if value == "" {
			return mallee.ID{}, fmt.Errorf("%s is empty", p.claim)
		}
		key.WriteString(value)
	}
	id := mallee.ID{Type: t.actorType, Key: key.String()}
	return id, id.Validate()
}
