package httpapi

import (
	"reflect"
	"slices"
	"strings"
)

// jsonField is a field of a struct as encoding/json sees it.
type jsonField struct {
	reflect.StructField
	name    string
	tagged  bool
	quoted  bool // json:",string"
	omitted bool // json:",omitempty" or omitzero
}

// jsonFields are the fields that encoding/json writes and reads, those of
// embedded structs among them. Of several with one name the least nested one
// counts, then the one with a tag; if two are left, none does.
func jsonFields(t reflect.Type) []jsonField {
	var all []jsonField
	taken := make(map[string]bool)
	visited := make(map[reflect.Type]bool)
	for level := []reflect.Type{t}; len(level) > 0; {
		var found []jsonField
		var next []reflect.Type
		for _, t := range level {
			if visited[t] {
				continue
			}
			visited[t] = true
			// A type that is embedded twice on one level contends with itself.
			times := 0
			for _, other := range level {
				if other == t {
					times++
				}
			}
			fields, embedded := ownFields(t)
			for range min(times, 2) {
				found = append(found, fields...)
			}
			for range min(times, 2) {
				next = append(next, embedded...)
			}
		}
		all = append(all, dominant(found, taken)...)
		level = next
	}
	return all
}

// ownFields are the fields of t itself and the structs that it embeds.
func ownFields(t reflect.Type) (fields []jsonField, embedded []reflect.Type) {
	for i := range t.NumField() {
		f := t.Field(i)
		tag := f.Tag.Get("json")
		if tag == "-" {
			continue
		}
		name, rest, _ := strings.Cut(tag, ",")
		options := strings.Split(rest, ",")
		inner := f.Type
		if inner.Kind() == reflect.Pointer && inner.Name() == "" {
			inner = inner.Elem()
		}
		switch {
		case f.Anonymous && inner.Kind() == reflect.Struct && name == "":
			embedded = append(embedded, inner)
			continue
		case !f.IsExported() && !(f.Anonymous && inner.Kind() == reflect.Struct):
			continue
		}
		field := jsonField{StructField: f, name: name, tagged: name != ""}
		if !field.tagged {
			field.name = f.Name
		}
		field.omitted = slices.Contains(options, "omitempty") || slices.Contains(options, "omitzero")
		field.quoted = slices.Contains(options, "string") && isScalar(inner.Kind())
		fields = append(fields, field)
	}
	return fields, embedded
}

func isScalar(k reflect.Kind) bool {
	return k >= reflect.Bool && k <= reflect.Float64 || k == reflect.String
}

// dominant leaves out fields that others hide, and marks the names it met.
func dominant(found []jsonField, taken map[string]bool) []jsonField {
	var winners []jsonField
	byName := make(map[string][]jsonField)
	var names []string
	for _, f := range found {
		if byName[f.name] == nil {
			names = append(names, f.name)
		}
		byName[f.name] = append(byName[f.name], f)
	}
	for _, name := range names {
		if taken[name] {
			continue
		}
		taken[name] = true
		same := byName[name]
		if len(same) > 1 {
			same = slices.DeleteFunc(same, func(f jsonField) bool { return !f.tagged })
		}
		if len(same) == 1 {
			winners = append(winners, same[0])
		}
	}
	return winners
}
