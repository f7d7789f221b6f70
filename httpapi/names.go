package httpapi

import (
	"fmt"
	"path"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// componentNames gives each type a name of its own in the document: Item where
// that is unique, else game.Item, else all of the import path. Names depend on
// which types there are and not on their order, except for local types of one
// name in one package, which are numbered.
func componentNames(types []reflect.Type) map[reflect.Type]string {
	spellings := []func(reflect.Type) string{
		shortName,
		func(t reflect.Type) string { return path.Base(t.PkgPath()) + "." + shortName(t) },
		func(t reflect.Type) string {
			return strings.ReplaceAll(t.PkgPath(), "/", ".") + "." + shortName(t)
		},
	}
	names := make(map[reflect.Type]string, len(types))
	taken := make(map[string]bool, len(types))
	left := types
	for _, spell := range spellings {
		groups := make(map[string]int)
		for _, t := range left {
			groups[componentName(spell(t))]++
		}
		var again []reflect.Type
		for _, t := range left {
			name := componentName(spell(t))
			if groups[name] > 1 || taken[name] {
				again = append(again, t)
				continue
			}
			names[t], taken[name] = name, true
		}
		left = again
	}
	for _, t := range left {
		long := componentName(spellings[len(spellings)-1](t))
		name := long
		for n := 2; taken[name]; n++ {
			name = fmt.Sprint(long, "_", n)
		}
		names[t], taken[name] = name, true
	}
	return names
}

// shortName is the name without packages, also in type arguments.
func shortName(t reflect.Type) string { return huma.DefaultSchemaNamer(t, "") }

// componentName replaces what OpenAPI does not allow in names of components.
func componentName(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '-', r == '_':
			return r
		}
		return '_'
	}, name)
}
