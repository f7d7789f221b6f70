package config

import "strings"

// Setting is one thing that can be set.
type Setting struct {
	Name    string // in the file; dots stand for sections: log.level
	Default string // as it would be written; "": nothing
	Doc     string
	Secret  bool // it may hold a password, which must not be shown
	value
}

const prefix = "MALLEE_"

// Env is the name of its variable: MALLEE_LOG_LEVEL.
func (s Setting) Env() string {
	return prefix + strings.ToUpper(strings.ReplaceAll(s.Name, ".", "_"))
}

// Flag is the name of its flag, without the dashes before it: log-level. A
// command that is about one section leaves the section's name out.
func (s Setting) Flag(section string) string {
	name := strings.TrimPrefix(s.Name, section+".")
	return strings.NewReplacer(".", "-", "_", "-").Replace(name)
}

// Kind says how it is written, and in which unit.
func (s Setting) Kind() string { return s.kind() }

// All lists the settings in the order of the documents.
func All() []Setting { return new(Settings).table() }
