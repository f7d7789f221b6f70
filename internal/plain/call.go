package plain

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/wire/koala"
	"github.com/mallee-io/mallee/wire/pickle"
)

// errUnknown answers calls that know nothing of the types of their method.
var errUnknown = errors.New("the arguments and results of the call are not known here: use a generated reference")

// AppendArgs appends the body of a request: all arguments, by their positions.
func AppendArgs(b []byte, call mallee.Call) ([]byte, error) {
	args, err := values(call.Args())
	if err != nil {
		return b, err
	}
	return koala.AppendArgs(b, args, nil)
}

// DecodeArgs puts the body of a request into a call. Arguments that have names
// may be spelled as in the Go method or, as Python does, in snake_case.
func DecodeArgs(call mallee.Call, body []byte) error {
	args, named, err := koala.ParseArgs(body)
	if err != nil {
		return err
	}
	d := newDecoder()
	if call.Args() == nil {
		return errUnknown
	}
	into := reflect.ValueOf(call.Args()).Elem()
	fields, err := d.fields(into.Type())
	if err != nil {
		return err
	}
	if len(args) > len(fields) {
		return fmt.Errorf("expected %d arguments, got %d", len(fields), len(args))
	}
	given, err := byName(named)
	if err != nil {
		return err
	}
	for i, f := range fields {
		v, err := argument(i, f.name, args, given)
		if err == nil {
			err = d.decode(v, into.FieldByIndex(f.index), 1)
		}
		if err != nil {
			return fmt.Errorf("argument %s: %w", f.name, err)
		}
	}
	for name := range given {
		return fmt.Errorf("there is no argument %.40q", name)
	}
	return nil
}

// argument takes an argument from its position or from those with names.
func argument(i int, name string, args pickle.Tuple, given map[string]any) (any, error) {
	snake := SnakeCase(name)
	v, there := given[name]
	if !there {
		v, there = given[snake]
		name = snake
	}
	delete(given, name)
	switch {
	case i < len(args) && there:
		return nil, fmt.Errorf("it is given twice")
	case i < len(args):
		return args[i], nil
	case !there:
		return nil, fmt.Errorf("it is missing")
	}
	return v, nil
}

// AppendResults appends the body of a response: None for a method without
// results, the result itself where there is one, and a tuple of several.
func AppendResults(b []byte, call mallee.Call) ([]byte, error) {
	results, err := values(call.Results())
	switch {
	case err != nil:
		return b, err
	case len(results) == 0:
		return koala.AppendResult(b, nil)
	case len(results) == 1:
		return koala.AppendResult(b, results[0])
	}
	return koala.AppendResult(b, results)
}

// DecodeResults puts what a host has answered into a call. What a method gives
// that has no results in Go is not looked at.
func DecodeResults(call mallee.Call, body []byte) error {
	v, err := new(koala.RPCResponse).Result(body)
	if err != nil {
		return err
	}
	d := newDecoder()
	if call.Results() == nil {
		return errUnknown
	}
	into := reflect.ValueOf(call.Results()).Elem()
	fields, err := d.fields(into.Type())
	if err != nil {
		return err
	}
	results := []any{v}
	if len(fields) > 1 {
		if results, _ = itemsOf(v); len(results) != len(fields) {
			return fmt.Errorf("expected a tuple of %d results, got %s", len(fields), describe(v))
		}
	}
	for i, f := range fields {
		if err := d.decode(results[i], into.FieldByIndex(f.index), 1); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return nil
}

// values are the plain forms of the fields of a struct.
func values(pointer any) (pickle.Tuple, error) {
	e := newEncoder()
	if pointer == nil {
		return nil, errUnknown
	}
	from := reflect.ValueOf(pointer).Elem()
	fields, err := e.fields(from.Type())
	if err != nil {
		return nil, err
	}
	all := make(pickle.Tuple, len(fields))
	for i, f := range fields {
		if all[i], err = e.encode(from.FieldByIndex(f.index), 1); err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return all, nil
}

// Answer is a call whose results are encoded for a foreign host.
type Answer struct{ mallee.Call }

// AppendResults implements mallee.Call.
func (a Answer) AppendResults(b []byte) ([]byte, error) { return AppendResults(b, a.Call) }

// SnakeCase is how Python spells a Go name: SayHello is say_hello, HTTPPort is
// http_port.
func SnakeCase(name string) string {
	runes := []rune(name)
	var b strings.Builder
	for i, r := range runes {
		if unicode.IsUpper(r) && i > 0 {
			next := i+1 < len(runes) && unicode.IsLower(runes[i+1])
			if before := runes[i-1]; before != '_' && (!unicode.IsUpper(before) || next) {
				b.WriteByte('_')
			}
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// Method finds the method of an interface that a foreign host calls by its Go
// name or in snake_case.
func Method(methods []mallee.Method, name string) (mallee.Method, bool) {
	for _, spell := range []func(string) string{strings.Clone, SnakeCase} {
		if i := slices.IndexFunc(methods, func(m mallee.Method) bool { return spell(m.Name) == name }); i >= 0 {
			return methods[i], true
		}
	}
	return mallee.Method{}, false
}
