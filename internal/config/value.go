package config

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// value is where a setting stands, and how it is spelled. What it is set to it
// spells in a way that it would read again.
type value interface {
	set(text string) error
	String() string
	kind() string
}

type textValue struct{ to *string }

func text(to *string) value { return textValue{to} }

func (v textValue) set(s string) error { *v.to = s; return nil }
func (v textValue) String() string     { return *v.to }
func (v textValue) kind() string       { return "text" }

type addressValue struct{ textValue }

func address(to *string) value { return addressValue{textValue{to}} }

func (v addressValue) kind() string { return "host:port" }

func (v addressValue) set(s string) error {
	if err := checkAddress(s); err != nil {
		return err
	}
	return v.textValue.set(s)
}

func checkAddress(s string) error {
	_, port, err := net.SplitHostPort(s)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("%q is not an address such as 127.0.0.1:7000", s)
	}
	return nil
}

type choiceValue struct {
	textValue
	of []string
}

func choice(to *string, of ...string) value { return choiceValue{textValue{to}, of} }

func (v choiceValue) kind() string { return strings.Join(v.of, ", ") }

func (v choiceValue) set(s string) error {
	if !slices.Contains(v.of, s) {
		return fmt.Errorf("%q is none of %s", s, v.kind())
	}
	return v.textValue.set(s)
}

type durationValue struct {
	to         *time.Duration
	least, top time.Duration
}

func duration(to *time.Duration, least, top time.Duration) value {
	return durationValue{to, least, top}
}

func (v durationValue) String() string { return short(*v.to) }
func (v durationValue) kind() string {
	return fmt.Sprintf("duration, %s to %s", short(v.least), short(v.top))
}

// short is a duration without the zeros at its end: 24h for 24h0m0s.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func (v durationValue) set(s string) error {
	d, err := time.ParseDuration(s)
	switch {
	case err != nil:
		return fmt.Errorf("%q is not a duration such as 5s or 200ms", s)
	case d < v.least || d > v.top:
		return fmt.Errorf("%s is not between %s and %s", s, short(v.least), short(v.top))
	}
	*v.to = d
	return nil
}

type countValue struct {
	to         *int64
	least, top int64
}

func count(to *int64, least, top int64) value { return countValue{to, least, top} }

func (v countValue) String() string { return strconv.FormatInt(*v.to, 10) }
func (v countValue) kind() string   { return fmt.Sprintf("number, %d to %d", v.least, v.top) }

func (v countValue) set(s string) error {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < v.least || n > v.top {
		return fmt.Errorf("%q is not a number from %d to %d", s, v.least, v.top)
	}
	*v.to = n
	return nil
}

type listValue struct {
	to    *[]string
	of    string
	check func(string) error
}

func list(to *[]string) value {
	return listValue{to, "list", func(string) error { return nil }}
}

func addresses(to *[]string) value { return listValue{to, "list of host:port", checkAddress} }

func (v listValue) String() string { return strings.Join(*v.to, ",") }
func (v listValue) kind() string   { return v.of }

func (v listValue) set(s string) error {
	*v.to = nil
	if s == "" {
		return nil
	}
	for element := range strings.SplitSeq(s, ",") {
		element = strings.TrimSpace(element)
		if element == "" {
			return fmt.Errorf("%q has an empty element", s)
		}
		if err := v.check(element); err != nil {
			return err
		}
		*v.to = append(*v.to, element)
	}
	return nil
}

type labelsValue struct{ to *map[string]string }

func labels(to *map[string]string) value { return labelsValue{to} }

func (v labelsValue) kind() string { return "labels, KEY=VALUE" }

func (v labelsValue) String() string {
	var pairs []string
	for _, key := range slices.Sorted(maps.Keys(*v.to)) {
		pairs = append(pairs, key+"="+(*v.to)[key])
	}
	return strings.Join(pairs, ",")
}

func (v labelsValue) set(s string) error {
	*v.to = make(map[string]string)
	if s == "" {
		return nil
	}
	for pair := range strings.SplitSeq(s, ",") {
		key, label, found := strings.Cut(pair, "=")
		key, label = strings.TrimSpace(key), strings.TrimSpace(label)
		if _, twice := (*v.to)[key]; !found || key == "" || label == "" || twice {
			return fmt.Errorf("%q is not a list of labels such as zone=a,disk=ssd, each once", s)
		}
		(*v.to)[key] = label
	}
	return nil
}
