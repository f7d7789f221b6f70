package gateway_test

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/mallee-io/mallee/gateway"
)

// The page for operators names every field of Config, in order, and every
// figure.
func TestPageForOperators(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/gateway.md")
	if err != nil {
		t.Fatal(err)
	}
	text, _, _ := strings.Cut(string(page), "\n## Protocol for clients")
	_, table, _ := strings.Cut(text, "### Settings")
	table, figures, _ := strings.Cut(table, "### Slow clients")
	var have, want []string
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)`").FindAllStringSubmatch(table, -1) {
		have = append(have, row[1])
	}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[gateway.Config]()) {
		if !slices.Contains([]string{"Node", "Login", "Log"}, field.Name) {
			want = append(want, field.Name)
		}
	}
	if !slices.Equal(have, want) {
		t.Errorf("the table has\n\t%v\nand Config\n\t%v", have, want)
	}
	_, figures, _ = strings.Cut(figures, "### Figures")
	metrics := make(chan prometheus.Metric, 1000)
	build(t).gateway.Collect(metrics)
	close(metrics)
	names := regexp.MustCompile(`fqName: "mallee_gateway_(\w+)"`)
	for m := range metrics {
		name := names.FindStringSubmatch(m.Desc().String())[1]
		if !regexp.MustCompile("`" + name + "[`{]").MatchString(figures) {
			t.Errorf("the figure %s is not on the page", name)
		}
	}
}
