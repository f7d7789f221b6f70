package spec

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/mallee-io/mallee/internal/gen/cloudstatepb"
)

// Options say what is accepted. The zero value accepts all that can be.
type Options struct {
	// Strict refuses user functions that announce another protocol than 0.2.
	// Otherwise 0.0 and 0.1 are accepted too: many libraries announce nothing.
	Strict bool

	// Kinds are the kinds of services that are served; others are an error.
	// Defaults to all.
	Kinds []Kind

	// Broker says that there is a message broker, whose topics may be consumed
	// and published to.
	Broker bool

	// Dialect is the version of the messages of replicated entities, where it
	// is known better. Defaults to what the descriptors tell.
	Dialect *Dialect
}

// Load reads what a user function has answered to discovery. The errors are
// those of its configuration, all of them and always in the same order, each
// with a text for its developer. The model is nil when there are any.
func Load(e *cloudstatepb.EntitySpec, o Options) (*Model, []error) {
	l := &loader{options: o, info: e.GetServiceInfo()}
	l.checkVersion()
	before := len(l.errs)
	protos := l.parse(e.GetProto())
	l.link(protos)
	if len(l.errs) > before { // services may be in the files that are wrong
		return nil, l.errs
	}
	l.model.Library = library(l.info)
	l.model.Dialect = l.dialect(protos)
	l.loadServices(e.GetEntities())
	if len(l.errs) > 0 {
		return nil, l.errs
	}
	return &l.model, nil
}

// loader collects a model and what is wrong with it.
type loader struct {
	options Options
	info    *cloudstatepb.ServiceInfo
	model   Model
	errs    []error
}

func (l *loader) errorf(format string, args ...any) {
	l.errs = append(l.errs, errors.New(line(format, args...)))
}

func (l *loader) warnf(format string, args ...any) {
	l.model.Warnings = append(l.model.Warnings, line(format, args...))
}

// line is a text of one line that can be sent and logged, whatever names it
// tells of.
func line(format string, args ...any) string {
	text := fmt.Sprintf(format, args...)
	if len(text) > maxLine {
		text = text[:maxLine] + "…"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

const maxLine = 4096

func (l *loader) checkVersion() {
	major, minor := l.info.GetProtocolMajorVersion(), l.info.GetProtocolMinorVersion()
	switch {
	case major == 0 && minor == 2:
	case l.options.Strict:
		l.errorf("the user function announces protocol %d.%d, and the sidecar is set to accept 0.2 only: "+
			"use a support library of protocol 0.2, or turn the strict check off", major, minor)
	case major != 0 || minor < 0 || minor > 2:
		l.errorf("the user function announces protocol %d.%d, and the sidecar speaks 0.0, 0.1 and 0.2: "+
			"use a support library of one of these", major, minor)
	}
}

func library(i *cloudstatepb.ServiceInfo) string {
	if i.GetSupportLibraryName() == "" {
		return "unknown"
	}
	if i.GetSupportLibraryVersion() == "" {
		return i.GetSupportLibraryName()
	}
	return i.GetSupportLibraryName() + " " + i.GetSupportLibraryVersion()
}
