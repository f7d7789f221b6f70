package generate

import (
	"cmp"
	"fmt"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// problem is something that the generator refuses.
type problem struct {
	at   token.Position
	text string // what is wrong, a semicolon, how to mend it
}

func (m *model) refuse(pos token.Pos, format string, args ...any) {
	at := m.pkg.Fset.Position(pos)
	at.Filename = relative(m.pkg.base, at.Filename)
	m.problems = append(m.problems, problem{at, fmt.Sprintf(format, args...)})
}

// sorted are the problems as the user sees them, in the order of the source.
func (m *model) sorted() (lines Problems) {
	slices.SortFunc(m.problems, func(a, b problem) int {
		return cmp.Or(strings.Compare(a.at.Filename, b.at.Filename), cmp.Compare(a.at.Line, b.at.Line), strings.Compare(a.text, b.text))
	})
	for _, p := range m.problems {
		lines = append(lines, fmt.Sprintf("%s:%d: %s", p.at.Filename, p.at.Line, p.text))
	}
	return slices.Compact(lines)
}

// checkSignature refuses a method that cannot be a call.
func (m *model) checkSignature(a *actor, fn *types.Func, s *types.Signature, oneway bool) bool {
	before := len(m.problems)
	pos, name := m.place(a, fn), a.name+"."+fn.Name()
	if !fn.Exported() {
		m.refuse(pos, "method %s is not exported, so no other package could implement it; call it %s", name, capital(fn.Name()))
		return false
	}
	if fn.Name() == "ID" {
		m.refuse(pos, "method %s would hide the ID of its reference; call it something else", name)
	}
	first := 1
	if s.Params().Len() == 0 || !isNamed(s.Params().At(0).Type(), "context", "Context") {
		m.refuse(pos, "method %s does not take a context; make its first parameter ctx context.Context", name)
		first = 0
	}
	last := s.Results().Len() - 1
	if last < 0 || !isError(s.Results().At(last).Type()) {
		m.refuse(pos, "method %s cannot report that a call has failed; make its last result an error", name)
		last++
	}
	if oneway && last > 0 {
		m.refuse(pos, "one-way method %s has results that nobody waits for; return only an error or take //mallee:oneway away", name)
	}
	for i := first; i < s.Params().Len(); i++ {
		p := s.Params().At(i)
		if isNamed(p.Type(), "context", "Context") {
			if i > 0 {
				m.refuse(pos, "parameter %s of %s is a second place for a context; make it the first parameter, and the only one", nameOr(p, i), name)
			}
			continue
		}
		m.checkType(pos, fmt.Sprintf("parameter %s of %s", nameOr(p, i), name), p.Type())
	}
	for i := range last {
		r := s.Results().At(i)
		m.checkType(pos, fmt.Sprintf("result %s of %s", nameOr(r, i+1), name), r.Type())
	}
	return len(m.problems) == before
}

// place is where to mend a method: where it is declared or, if that is in
// another package, where the actor interface embeds it.
func (m *model) place(a *actor, fn *types.Func) token.Pos {
	if fn.Pkg() == m.pkg.Types {
		return fn.Pos()
	}
	return a.pos
}

func nameOr(v *types.Var, number int) string {
	if v.Name() == "" || v.Name() == "_" {
		return fmt.Sprint(number)
	}
	return v.Name()
}

// neededBuiltins are used by generated code besides the names of basic types.
var neededBuiltins = []string{"len", "make", "new", "nil", "true", "false"}

// checkNames refuses names that generated declarations would meet. Unexported
// ones step aside instead; see file.unique.
func (m *model) checkNames() {
	byWire := make(map[string]*actor)
	for _, a := range m.actors {
		if other := byWire[a.wireName]; other != nil {
			m.refuse(a.pos, "actor interfaces %s and %s have the same name %q; give one of them //mallee:actor name=NAME", other.name, a.name, a.wireName)
		}
		byWire[a.wireName] = a
		for _, generated := range []string{a.name + "Ref", a.name + "Of", a.name + "At", a.name + "Type", a.name + "Interface"} {
			if pos, taken := m.declared(generated); taken {
				m.refuse(pos, "%s is a name that is generated for actor %s; call yours something else", generated, a.name)
			}
		}
	}
	if len(m.actors) == 0 {
		return
	}
	for _, path := range fixedImports {
		name := path[strings.LastIndex(path, "/")+1:]
		if pos, taken := m.declared(name); taken {
			m.refuse(pos, "%s is also the package that generated code imports; call yours something else", name)
		}
	}
	for _, name := range types.Universe.Names() {
		_, isType := types.Universe.Lookup(name).(*types.TypeName)
		if pos, taken := m.declared(name); taken && (isType || slices.Contains(neededBuiltins, name)) {
			m.refuse(pos, "%s hides what generated code means by that name; call yours something else", name)
		}
	}
}
