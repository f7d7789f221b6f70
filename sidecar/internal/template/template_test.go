package template_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/mallee-io/mallee"
	"github.com/mallee-io/mallee/sidecar/internal/template"
)

func TestMatch(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ template, path, want string }{
		{"/", "/", "[]"},
		{"/", "", "no"},
		{"/", "/a", "no"},
		{"/carts", "/carts", "[]"},
		{"/carts", "/Carts", "no"},
		{"/carts", "/carts/", "no"},
		{"/carts", "/cartsa", "no"},
		{"/carts", "carts", "no"},
		{"/carts/{user_id}", "/carts/a1", "[{user_id a1}]"},
		{"/carts/{user_id}", "/carts/", "[{user_id }]"},
		{"/carts/{user_id}", "/carts", "no"},
		{"/carts/{user_id}", "/carts/a/b", "no"},
		{"/carts/{user_id}", "/carts/a:b", "no"},
		{"/carts/{user_id}", "/carts/a%3Ab%2F+c", "[{user_id a%3Ab%2F+c}]"},
		{"/{a}/{b}/x", "/1/2/x", "[{a 1} {b 2}]"},
		{"/{a}/{b}/x", "///x", "[{a } {b }]"},
		{"/{a}/{b}/x", "/1/2/y", "no"},
		{"/a/*/b/{c}", "/a/z/b/1", "[{c 1}]"},
		{"/v1/{name=shelves/*/books/*}", "/v1/shelves/1/books/2", "[{name shelves/1/books/2}]"},
		{"/v1/{name=shelves/*/books/*}/x", "/v1/shelves//books//x", "[{name shelves//books/}]"},
		{"/v1/{name=shelves/*}", "/v1/shelf/1", "no"},
		{"/f/{path=**}", "/f/a/b:c/", "[{path a/b:c/}]"},
		{"/f/{path=**}", "/f/", "[{path }]"},
		{"/f/{path=**}", "/f", "no"},
		{"/f/**", "/f/a/b", "[]"},
		{"/f/{path=a/**}", "/f/a/b/c", "[{path a/b/c}]"},
		{"/carts/{id}:clear", "/carts/7:clear", "[{id 7}]"},
		{"/carts/{id}:clear", "/carts/7", "no"},
		{"/carts/{id}:clear", "/carts/7:clear:clear", "no"},
		{"/carts/{id}:clear", "/carts/:clear", "[{id }]"},
		{"/f/{path=**}:get", "/f/a:b/c:get", "[{path a:b/c}]"},
		{"/carts:all", "/carts:all", "[]"},
		{"/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}/{j}/{k}/{l}/{m}/{n}/{o}/{p}/{q}", "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17",
			"[{a 1} {b 2} {c 3} {d 4} {e 5} {f 6} {g 7} {h 8} {i 9} {j 10} {k 11} {l 12} {m 13} {n 14} {o 15} {p 16} {q 17}]"},
	} {
		parsed, err := template.Parse(test.template)
		if err != nil {
			t.Error(err)
			continue
		}
		got := "no"
		if variables, ok := parsed.Match(test.path); ok {
			got = fmt.Sprint(variables)
		}
		if got != test.want {
			t.Errorf("%s matches %s: %s, want %s", test.template, test.path, got, test.want)
		}
	}
}

func TestValue(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{"a+b%2B%2fc%C3%BC": "a b+/cü", "": "", "%FF": "\uFFFD"} {
		if text, err := (template.Variable{Field: "f", Raw: raw}).Value(); text != want || err != nil {
			t.Errorf("%s: %q, %v", raw, text, err)
		}
	}
	_, err := template.Variable{Field: "f", Raw: "%zz"}.Value()
	if want := `invalid: field f in the path: invalid URL escape "%zz"`; err == nil || err.Error() != want || !mallee.SafeToRetry(err) {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                  `path "", character 1: a path begins with a slash`,
		"a/b":               `path "a/b", character 1: a path begins with a slash`,
		"/a/":               `path "/a/", character 4: a segment is missing`,
		"/a//b":             `path "/a//b", character 4: a segment is missing`,
		"/:x":               `path "/:x", character 2: a segment is missing`,
		"/a:":               `path "/a:", character 4: the colon needs a verb after it`,
		"/a:b:c":            `path "/a:b:c", character 5: ':' is out of place`,
		"/a:b/c":            `path "/a:b/c", character 5: '/' is out of place`,
		"/a?b":              `path "/a?b", character 3: '?' is out of place`,
		"/a b":              `path "/a b", character 3: ' ' is out of place`,
		"/a*":               `path "/a*", character 3: '*' is out of place`,
		"/***":              `path "/***", character 4: '*' is out of place`,
		"/{a}b":             `path "/{a}b", character 5: 'b' is out of place`,
		"/**/a":             `path "/**/a", character 5: nothing but a verb may follow **`,
		"/{a=**}/{b}":       `path "/{a=**}/{b}", character 9: nothing but a verb may follow **`,
		"/{a=**/x}":         `path "/{a=**/x}", character 8: nothing but a verb may follow **`,
		"/{a=x/{b}}":        `path "/{a=x/{b}}", character 8: a variable cannot be within another`,
		"/{}":               `path "/{}", character 3: the name of a field is missing`,
		"/{1a}":             `path "/{1a}", character 3: the name of a field is missing`,
		"/{a":               `path "/{a", character 4: a closing brace is missing`,
		"/{a=b:c}":          `path "/{a=b:c}", character 6: a closing brace is missing`,
		"/{a=}":             `path "/{a=}", character 5: a segment is missing`,
		"/{a}/{a}":          `path "/{a}/{a}", character 8: field a is there twice`,
		"/{user.id}":        `path "/{user.id}", character 7: fields of fields are not supported: use a field of the message itself`,
		"/{user.id=x/*}":    `path "/{user.id=x/*}", character 7: fields of fields are not supported: use a field of the message itself`,
		"/}":                `path "/}", character 2: a segment is missing`,
		"/a\n":              `path "/a\n", character 3: '\n' is out of place`,
		"/carts/{user_id}}": `path "/carts/{user_id}}", character 17: '}' is out of place`,
	} {
		if _, err := template.Parse(text); err == nil || err.Error() != want {
			t.Errorf("%s:\n%v, want\n%s", text, err, want)
		}
	}
}

func TestFields(t *testing.T) {
	t.Parallel()
	parsed, err := template.Parse("/{b}/x/{a=c/*}:go")
	if err != nil || !slices.Equal(parsed.Fields(), []string{"b", "a"}) || parsed.String() != "/{b}/x/{a=c/*}:go" {
		t.Fatal(parsed, err)
	}
}

// A template matches as the regular expression does that the language is
// defined by.
func TestMatchAsExpression(t *testing.T) {
	t.Parallel()
	segment := rapid.SampledFrom([]string{"a", "b", "*", "{x}", "{y=a/*}", "{z=*/b/*}"})
	last := rapid.SampledFrom([]string{"", "/**", "/{w=**}", "/{w=a/**}", ":a", "/**:b"})
	piece := rapid.SampledFrom([]string{"/", "/", "a", "b", ":", "%2F", "", ":b"})
	rapid.Check(t, func(t *rapid.T) {
		text := ""
		for _, s := range rapid.SliceOfNDistinct(segment, 1, 5, rapid.ID).Draw(t, "segments") {
			text += "/" + s
		}
		text += last.Draw(t, "last")
		path := "/" + strings.Join(rapid.SliceOfN(piece, 0, 10).Draw(t, "path"), "")
		parsed, err := template.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		variables, ok := parsed.Match(path)
		groups := expression(text).FindStringSubmatch(path)
		if ok != (groups != nil) {
			t.Fatalf("%s matches %s: %v", text, path, ok)
		}
		for i, v := range variables {
			if v.Raw != groups[i+1] {
				t.Fatalf("%s matches %s: field %s is %q, want %q", text, path, v.Field, v.Raw, groups[i+1])
			}
		}
	})
}

// expression is the regular expression of a valid template.
func expression(text string) *regexp.Regexp {
	text = regexp.MustCompile(`\{\w+\}`).ReplaceAllString(text, "(*)")
	text = regexp.MustCompile(`\{\w+=([^}]*)\}`).ReplaceAllString(text, "($1)")
	text = regexp.MustCompile(`\*\*?`).ReplaceAllStringFunc(text, func(stars string) string {
		if stars == "**" {
			return ".*"
		}
		return "[^/:]*"
	})
	return regexp.MustCompile("^" + text + "$")
}

func FuzzParse(f *testing.F) {
	f.Add("/v1/{name=shelves/*/books/*}:get", "/v1/shelves/1/books/2:get")
	f.Add("/{a}/**", "/1/2/3")
	f.Fuzz(func(t *testing.T, text, path string) {
		parsed, err := template.Parse(text)
		if err != nil {
			return
		}
		if variables, ok := parsed.Match(path); ok && len(variables) != len(parsed.Fields()) {
			t.Errorf("%s matches %s: %v", text, path, variables)
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	parsed, err := template.Parse("/cart/{user_id}/items/{product_id}/remove")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := parsed.Match("/cart/some-user/items/some-product/remove"); !ok {
			b.Fatal("no match")
		}
	}
}
